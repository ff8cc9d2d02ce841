//! Something that a worker is asked for.

use crate::effect::JobId;

/// A value that comes from a worker, sooner or later.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Remote<T> {
    /// Nobody has asked.
    #[default]
    Idle,
    /// Asked; only the answer to this very job is taken.
    Waiting(JobId),
    /// Here.
    Ready(T),
    /// Not to be had, and why.
    Failed(String),
}

impl<T> Remote<T> {
    /// The value, when it is here.
    pub(crate) fn ready(&self) -> Option<&T> {
        match self {
            Remote::Ready(value) => Some(value),
            _ => None,
        }
    }

    /// Whether nobody has asked yet.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self, Remote::Idle)
    }

    /// The job that is under way.
    pub(crate) fn job(&self) -> Option<JobId> {
        match self {
            Remote::Waiting(job) => Some(*job),
            _ => None,
        }
    }

    /// Takes an answer, unless it is one to a job that is no longer waited for.
    pub(crate) fn settle(&mut self, job: JobId, answer: Result<T, String>) -> bool {
        if self.job() != Some(job) {
            return false;
        }
        *self = match answer {
            Ok(value) => Remote::Ready(value),
            Err(why) => Remote::Failed(why),
        };
        true
    }

    /// Gives up waiting; true if there was something to give up.
    pub(crate) fn cancel(&mut self) -> Option<JobId> {
        let job = self.job()?;
        *self = Remote::Failed("cancelled; r asks again".into());
        Some(job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_an_older_question_is_dropped() {
        let mut value = Remote::Waiting(JobId(2));
        assert!(!value.settle(JobId(1), Ok("old")));
        assert_eq!(value.job(), Some(JobId(2)));
        assert!(value.settle(JobId(2), Ok("new")));
        assert_eq!(value.ready(), Some(&"new"));
    }

    #[test]
    fn an_answer_after_cancelling_is_dropped() {
        let mut value: Remote<u8> = Remote::Waiting(JobId(1));
        assert_eq!(value.cancel(), Some(JobId(1)));
        assert!(!value.settle(JobId(1), Ok(1)));
        assert!(matches!(value, Remote::Failed(_)));
    }
}
