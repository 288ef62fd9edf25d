//! Tables of verdicts over a license in memory.

mod counts;
mod scopes;
mod state;
mod worked;
mod world;
