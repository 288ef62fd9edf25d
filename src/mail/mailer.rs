//! Sending in the background: nobody waits for a mail server.

use super::smtp::Smtp;
use super::{Mail, MailError};
use crate::config::Config;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Attempts that run at once; further mails wait for their turn.
const AT_ONCE: usize = 2;

/// How many mails wait, and how long until the next attempt.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Most mails that have been taken and not been sent yet; further ones are dropped.
    pub queue: usize,
    /// The pauses between the attempts; after the last one comes the last attempt.
    pub pauses: Vec<Duration>,
}

impl Default for Schedule {
    /// A thousand mails; attempts over some twelve minutes, which outlasts a restart and most greylisting.
    fn default() -> Self {
        Schedule { queue: 1000, pauses: [1, 15, 120, 600].map(Duration::from_secs).into() }
    }
}

/// Sends mails in the background. A copy of it sends by the same queue.
#[derive(Clone)]
pub struct Mailer(Arc<Shared>);

struct Shared {
    smtp: Smtp,
    schedule: Schedule,
    /// One permit for every mail that may still be taken.
    places: Arc<Semaphore>,
    turns: Semaphore,
    stopping: watch::Sender<bool>,
    runtime: tokio::runtime::Handle,
}

impl Mailer {
    /// The mailer of a configuration; none when it names no mail server. Panics outside of a runtime: that is where mails are
    /// sent.
    pub fn start(config: &Config) -> Result<Option<Mailer>, MailError> {
        Mailer::start_with(config, Schedule::default())
    }

    /// [`Mailer::start`] with other pauses, for tests.
    pub fn start_with(config: &Config, schedule: Schedule) -> Result<Option<Mailer>, MailError> {
        let Some(smtp) = Smtp::new(config)? else {
            return Ok(None);
        };
        Ok(Some(Mailer(Arc::new(Shared {
            smtp,
            places: Arc::new(Semaphore::new(schedule.queue)),
            schedule,
            turns: Semaphore::new(AT_ONCE),
            stopping: watch::Sender::new(false),
            runtime: tokio::runtime::Handle::current(),
        }))))
    }

    /// Takes a mail and sends it as soon as may be. Never waits, may be called from any thread. What goes wrong is logged.
    pub fn deliver(&self, mail: Mail) {
        let shared = &self.0;
        if *shared.stopping.borrow() {
            return tracing::error!("a mail was dropped: the server is stopping");
        }
        match shared.places.clone().try_acquire_owned() {
            Ok(place) => drop(shared.runtime.spawn(deliver(shared.clone(), mail, place))),
            Err(_) => tracing::error!(waiting = shared.schedule.queue, "a mail was dropped: too many are waiting"),
        }
    }

    /// Sends a mail now, with one attempt.
    pub async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let (message, _) = self.0.smtp.message(mail)?;
        self.0.smtp.send(&message).await
    }

    /// Takes no more mails, and waits until those that it has are gone, for at most that long. Pauses end at once: every mail
    /// gets one more attempt.
    pub async fn drain(&self, limit: Duration) {
        let shared = &self.0;
        shared.stopping.send_replace(true);
        let all = u32::try_from(shared.schedule.queue).unwrap_or(u32::MAX);
        // When every place can be had, no mail is under way.
        if tokio::time::timeout(limit, shared.places.acquire_many(all)).await.is_err() {
            let unsent = shared.schedule.queue.saturating_sub(shared.places.available_permits());
            tracing::error!(unsent, "mails are lost: the mail server did not take them before the stop");
        }
    }

    /// Host and port of the mail server.
    pub fn server(&self) -> &str {
        &self.0.smtp.server
    }
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_tuple("Mailer").field(&self.0.smtp).finish()
    }
}

/// Attempts until one succeeds, or none can.
async fn deliver(shared: Arc<Shared>, mail: Mail, _place: OwnedSemaphorePermit) {
    let (message, id) = match shared.smtp.message(&mail) {
        Ok(message) => message,
        Err(reason) => return tracing::error!(%reason, "a mail was given up"),
    };
    tracing::debug!(mail = %id, to = mail.to, "a mail is sent");
    let mut stopping = shared.stopping.subscribe();
    let mut pauses = shared.schedule.pauses.iter();
    for attempt in 1_u32.. {
        let last = *stopping.borrow();
        let sent = {
            let _turn = shared.turns.acquire().await;
            shared.smtp.send(&message).await
        };
        let reason = match sent {
            Ok(()) => return tracing::info!(mail = %id, attempt, "a mail was sent"),
            Err(reason) => reason,
        };
        match pauses.next() {
            Some(pause) if reason.is_transient() && !last => {
                let pause_seconds = pause.as_secs();
                tracing::warn!(mail = %id, attempt, %reason, pause_seconds, "a mail could not be sent yet");
                // Whatever ends it, the next attempt follows.
                let _ = tokio::time::timeout(*pause, stopping.wait_for(|stopping| *stopping)).await;
            }
            _ => return tracing::error!(mail = %id, attempt, %reason, "a mail was given up"),
        }
    }
}
