//! Which job is next: a pure rule over what is known of all of them.

use std::collections::BTreeMap;

use super::{Job, State};

/// How often a job is begun at most.
const ATTEMPTS: u32 = 5;

/// Milliseconds after which a job that failed is tried again; four times as long each time.
const FIRST_WAIT: u64 = 10_000;

/// The job to begin now: of those that may be begun, the one with the highest priority, and of these the oldest.
pub fn next(jobs: &BTreeMap<String, Job>, now: u64) -> Option<&Job> {
    let ready = jobs.values().filter(|job| job.state == State::Queued && job.not_before <= now);
    ready.min_by_key(|job| (std::cmp::Reverse(job.order.priority), job.created, job.id.clone()))
}

/// When the next job that waits for another try may be begun.
pub fn next_time(jobs: &BTreeMap<String, Job>) -> Option<u64> {
    jobs.values().filter(|job| job.state == State::Queued).map(|job| job.not_before).min()
}

/// What becomes of a job that failed: another try after a while, if that may help and it was not tried too often.
pub fn failed(job: &mut Job, problem: String, may_pass: bool, now: u64) {
    job.problem = Some(problem);
    job.progress = None;
    if may_pass && job.attempts < ATTEMPTS {
        job.state = State::Queued;
        job.not_before = now + FIRST_WAIT * 4u64.pow(job.attempts.saturating_sub(1));
    } else {
        job.state = State::Failed;
        job.ended = Some(now);
    }
}

/// The jobs that are forgotten so that no more than `most` are kept that are over: the oldest.
pub fn forgotten(jobs: &BTreeMap<String, Job>, most: usize) -> Vec<String> {
    let mut over: Vec<&Job> = jobs.values().filter(|job| job.state.is_over()).collect();
    over.sort_by_key(|job| job.ended);
    over.iter().take(over.len().saturating_sub(most)).map(|job| job.id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: &str, state: State, priority: i8, created: u64, not_before: u64) -> (String, Job) {
        let order = serde_json::from_value(serde_json::json!({ "asset": "a.mp4", "priority": priority })).unwrap();
        let job = Job {
            id: id.into(),
            order,
            output: "a".into(),
            state,
            attempts: 1,
            created,
            not_before,
            ended: state.is_over().then_some(created),
            problem: None,
            notes: Vec::new(),
            products: Vec::new(),
            progress: None,
        };
        (id.into(), job)
    }

    #[test]
    fn the_most_urgent_is_next_and_of_these_the_oldest() {
        let mut jobs = BTreeMap::from([
            job("a", State::Queued, 0, 1, 0),
            job("b", State::Queued, 5, 3, 0),
            job("c", State::Queued, 5, 2, 0),
            job("d", State::Queued, 9, 0, 1000),
            job("e", State::Running, 9, 0, 0),
        ]);
        for (now, expected) in [(500, "c"), (500, "b"), (500, "a"), (1000, "d")] {
            let id = next(&jobs, now).unwrap().id.clone();
            assert_eq!(id, expected);
            jobs.get_mut(&id).unwrap().state = State::Running;
        }
        assert_eq!((next(&jobs, 5000), next_time(&jobs)), (None, None));
    }

    #[test]
    fn another_try_comes_later_each_time_and_not_for_ever() {
        let (_, mut job) = job("a", State::Running, 0, 0, 0);
        for (attempts, wait) in [(1, 10_000), (2, 40_000), (3, 160_000), (4, 640_000)] {
            job.attempts = attempts;
            failed(&mut job, "full".into(), true, 7);
            assert_eq!((job.state, job.not_before, job.ended), (State::Queued, 7 + wait, None));
        }
        job.attempts = 5;
        failed(&mut job, "full".into(), true, 7);
        assert_eq!((job.state, job.ended), (State::Failed, Some(7)));
        job.attempts = 1;
        failed(&mut job, "no video".into(), false, 8);
        assert_eq!((job.state, job.problem.as_deref()), (State::Failed, Some("no video")));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let jobs = BTreeMap::from([
            job("a", State::Done, 0, 3, 0),
            job("b", State::Failed, 0, 1, 0),
            job("c", State::Cancelled, 0, 2, 0),
            job("d", State::Queued, 0, 0, 0),
        ]);
        assert_eq!(forgotten(&jobs, 1), ["b", "c"]);
        assert!(forgotten(&jobs, 3).is_empty());
    }
}
