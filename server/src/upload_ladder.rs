//! Ladders of uploads: a job for each that has become whole, where the configuration wants them.

use std::sync::Arc;

use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    task::spawn_blocking,
};

use crate::{
    config::Current,
    jobs::{Jobs, Order},
    upload::Uploads,
};

/// Orders a ladder for each upload that becomes whole, and at the beginning for those that were whole before, for as long as the server
/// runs.
pub async fn run(uploads: Arc<Uploads>, jobs: Jobs, config: Current) {
    let mut completed = uploads.completed();
    // What came while the server was down, or while nothing of this was configured.
    order_all(&uploads, &jobs, &config).await;
    loop {
        match next(&mut completed).await {
            Some(Some(id)) => order(&jobs, &config, id).await,
            Some(None) => order_all(&uploads, &jobs, &config).await,
            None => return,
        }
    }
}

/// The next upload that is whole; `Some(None)`: there were more than are told.
async fn next(completed: &mut Receiver<String>) -> Option<Option<String>> {
    match completed.recv().await {
        Ok(id) => Some(Some(id)),
        Err(RecvError::Lagged(_)) => Some(None),
        Err(RecvError::Closed) => None,
    }
}

/// Orders ladders for all that are whole and have none, and for which none was ordered yet.
async fn order_all(uploads: &Arc<Uploads>, jobs: &Jobs, config: &Current) {
    if config.get().uploads.ladder.is_none() {
        return;
    }
    let known = Arc::clone(uploads);
    let Ok(Ok(whole)) = spawn_blocking(move || known.all_whole()).await else {
        return tracing::error!("the uploads cannot be listed");
    };
    let ordered: Vec<String> = jobs.list().into_iter().map(|job| job.order.asset).collect();
    for id in whole.into_iter().filter(|id| !ordered.contains(id) && !uploads.ladder(id).exists()) {
        order(jobs, config, id).await;
    }
}

/// Orders the ladder of an upload, if the configuration wants one.
async fn order(jobs: &Jobs, config: &Current, id: String) {
    let wanted = config.get().uploads.clone();
    let Some(rungs) = wanted.ladder else { return };
    let webhook = wanted.webhook.map(|url| url.to_string());
    let order = Order { rungs, codec: wanted.codec, webhook, ..Order::new(id.clone()) };
    let jobs = jobs.clone();
    if let Ok(Err(refusal)) = spawn_blocking(move || jobs.add(order)).await {
        tracing::error!(upload = id, %refusal, "no ladder is made");
    }
}
