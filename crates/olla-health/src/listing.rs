//! One model listing: asks, and reads the answer as the endpoint's kind writes it.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use olla_core::{EndpointSpec, Failure, Model, Status, Target, UrlError};
use olla_profiles::{InMemory, ListingError, Profile};
use thiserror::Error;

use crate::{Fetch, Fetched, client::Client};

/// Why an endpoint's models could not be listed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ListingFailure {
    /// Only declared models are used.
    #[error("model discovery is switched off; only declared models are used")]
    Disabled,
    /// `type: auto`, and no profile's signature fits.
    #[error("the kind of this backend is not recognised; set the endpoint's `type`")]
    Unrecognised,
    /// The endpoint is not in use. A health check has been asked for.
    #[error("the endpoint is {0}; it is being checked again")]
    NotRoutable(Status),
    /// The path does not make a URL.
    #[error("the path of the model list is not usable")]
    Path(#[source] UrlError),
    /// No complete answer.
    #[error("the model list did not arrive: {0}")]
    Failed(Failure),
    /// An answer other than 200.
    #[error("the model list was answered with {}; {}", .0.as_u16(), remedy(*.0))]
    Refused(StatusCode),
    /// More than 10 MiB.
    #[error("the model list is longer than 10 MiB")]
    TooLong,
    /// Not in the shape that the profile declares.
    #[error(transparent)]
    Unreadable(#[from] ListingError),
    /// It was not waited for any longer.
    #[error("the listing is still under way")]
    Unfinished,
    /// The endpoint is no longer, or not yet, watched.
    #[error("the endpoint is not watched")]
    Unwatched,
}

/// What an endpoint lists.
#[derive(Debug)]
pub(crate) struct Listed {
    /// The models, unfiltered, with nothing but what the list says.
    pub(crate) models: Vec<Model>,
    /// Which of them are in memory, where the list tells it.
    pub(crate) in_memory: Option<InMemory>,
}

/// Lists the models of an endpoint.
///
/// # Errors
/// Fails when no complete 200 arrives in time, or its body is not a list of models.
pub(crate) async fn fetch<F: Fetch>(
    client: &Client<F>,
    profile: &Profile,
    spec: &EndpointSpec,
    time_limit: Duration,
) -> Result<Listed, ListingFailure> {
    let target = target(profile, spec).map_err(ListingFailure::Path)?;
    let body = whole(client.ask(spec, (target, None), time_limit).await)?;
    let rules = profile.residency().filter(|rules| rules.path().is_none());
    Ok(Listed {
        models: profile.read_listing(&body)?,
        in_memory: rules.and_then(|rules| rules.read(&body).ok()),
    })
}

/// Returns where an endpoint lists its models.
pub(crate) fn target(profile: &Profile, spec: &EndpointSpec) -> Result<Target, UrlError> {
    let usual = spec.base.target(&profile.listing_path)?;
    Ok(match &spec.listing {
        // Who spells out the usual path wants the usual listing, with what its query asks for.
        Some(target) if target.path.query().is_some() || !is_same_place(target, &usual) => target.clone(),
        _ => usual,
    })
}

/// Returns the body of an answer if it is one to be read.
pub(crate) fn whole(answer: Result<Fetched, Failure>) -> Result<Bytes, ListingFailure> {
    let answer = answer.map_err(ListingFailure::Failed)?;
    if answer.status != StatusCode::OK {
        return Err(ListingFailure::Refused(answer.status));
    }
    if answer.cut_off {
        return Err(ListingFailure::TooLong);
    }
    Ok(answer.body)
}

fn is_same_place(one: &Target, other: &Target) -> bool {
    one.path.path() == other.path.path()
        && one.base.authority() == other.base.authority()
        && one.base.is_tls() == other.base.is_tls()
}

fn remedy(status: StatusCode) -> &'static str {
    match status.as_u16() {
        300..=399 => "redirects are not followed: set `model_url` to where it leads",
        401 | 403 | 500 => "if the backend expects a key, check the endpoint's `auth`",
        404 | 405 => "check the endpoint's `type`, or set `model_url`",
        429 => "the backend asks for fewer requests",
        _ => "it will be asked again",
    }
}

#[cfg(test)]
mod tests {
    use olla_core::BaseUrl;
    use olla_profiles::Profiles;

    use super::*;

    #[test]
    fn a_listing_over_another_scheme_is_at_another_place() {
        let profiles = Profiles::builtin();
        let profile = profiles.resolve("litellm").and_then(|kind| profiles.get(kind)).unwrap();
        let mut spec = EndpointSpec::new("a", BaseUrl::parse("https://127.0.0.1:4000").unwrap());
        spec.listing = Some(spec.base.target("http://127.0.0.1:4000/v1/models").unwrap());

        let target = target(profile, &spec).unwrap();

        assert!(!target.base.is_tls());
    }
}
