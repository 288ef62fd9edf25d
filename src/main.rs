//! The program: hands the command line over.

fn main() -> std::process::ExitCode {
    keygen_lite::cli::main()
}
