//! One order of a certificate, from its challenge to the chain.

use std::time::Duration;

use anyhow::{Context, bail};
use instant_acme::{Account, AuthorizationStatus, ChallengeType, Identifier, NewOrder, Order, OrderStatus, RetryPolicy};
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};

use crate::net::Challenges;

/// Time for the authority to look, and to sign.
const PATIENCE: Duration = Duration::from_mins(3);

/// What comes of an order.
pub(super) enum Outcome {
    /// The chain and then its key, PEM.
    Issued(String),
    /// The authority does not see our answer; what it says of that.
    Refused(String),
}

/// Orders a certificate for `name`, which is shown to be ours by a challenge of this kind.
pub(super) async fn order(account: &Account, name: &str, kind: ChallengeType, challenges: &Challenges) -> anyhow::Result<Outcome> {
    let identifiers = [Identifier::Dns(name.to_owned())];
    let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
    let mut shown = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue; // seen not long ago
        }
        let Some(mut challenge) = authorization.challenge(kind.clone()) else {
            return Ok(Outcome::Refused("the authority does not look there".to_owned()));
        };
        shown.push(challenges.show(name, &challenge.token, challenge.key_authorization().as_str())?);
        challenge.set_ready().await?;
    }
    let retries = RetryPolicy::new().timeout(PATIENCE);
    let status = order.poll_ready(&retries).await;
    drop(shown);
    match status {
        Ok(OrderStatus::Ready) => {}
        Ok(_) | Err(instant_acme::Error::Api(_)) => return Ok(Outcome::Refused(refusal(&mut order).await)),
        Err(error) => return Err(error).context("the authority comes to no end"),
    }

    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    order.finalize_csr(params.serialize_request(&key)?.der()).await?;
    let chain = order.poll_certificate(&retries).await?;
    if !chain.contains("-----BEGIN CERTIFICATE-----") {
        bail!("the authority gives no certificate");
    }
    Ok(Outcome::Issued(format!("{}\n{}", chain.trim_end(), key.serialize_pem())))
}

/// Why an order is not ready: what the authority says of its challenges.
async fn refusal(order: &mut Order) -> String {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else { continue };
        if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref()) {
            return problem.detail.clone().unwrap_or_else(|| problem.to_string());
        }
    }
    "it does not say why".to_owned()
}
