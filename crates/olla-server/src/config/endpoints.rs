//! Entries of the endpoint lists turned into [`EndpointSpec`]s.

use std::{
    collections::{HashMap, HashSet},
    fs,
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use figment::value::Value;
use olla_core::{BaseUrl, EndpointSpec, KindId, PathRules, Target, TlsTrust, UrlError};
use olla_profiles::Profiles;

use super::{
    LoadOptions, auth, env,
    keys::ENDPOINT_KEYS,
    models,
    problem::{Part, Problem, Report},
    raw, suggest,
    variables::expand,
};

const MIN_INTERVAL: Duration = Duration::from_secs(1);
const MAX_TIMEOUT: Duration = Duration::from_secs(30);

/// One entry while it is resolved.
struct Entry<'a> {
    path: String,
    raw: raw::Endpoint,
    has_auth: bool,
    profiles: Option<&'a Profiles>,
    options: &'a LoadOptions,
}

/// A resolved entry that still may share its name or URL with another.
struct Resolved {
    path: String,
    named: bool,
    spec: EndpointSpec,
}

/// Resolves all lists, each given with its path, in order. Without profiles no kind is checked.
pub(crate) fn resolve(
    lists: &[(&str, &[Value])],
    profiles: Option<&Profiles>,
    options: &LoadOptions,
    report: &mut Report,
) -> Vec<EndpointSpec> {
    let mut resolved = vec![];
    for (list, entries) in lists {
        for (n, entry) in entries.iter().enumerate() {
            // An entry that is no mapping was reported when the list was read.
            let Some(dict) = entry.as_dict() else { continue };
            let path = format!("{list}[{n}]");
            match raw::merge([env::defaults(ENDPOINT_KEYS), dict.clone()]) {
                Ok(raw) => {
                    let has_auth = dict.contains_key("auth");
                    let entry = Entry { path, raw, has_auth, profiles, options };
                    resolved.extend(entry.resolve(report));
                }
                Err(_) => report.add(Problem::new(path, "holds a value of the wrong type")),
            }
        }
    }
    report_duplicates(&resolved, report);
    name_all(resolved)
}

fn report_duplicates(resolved: &[Resolved], report: &mut Report) {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut places: HashMap<String, &str> = HashMap::new();
    for Resolved { path, named, spec } in resolved {
        if *named && let Some(first) = names.insert(&spec.name, path) {
            let message =
                format!("another endpoint has the name {:?}: {}", spec.name, located(first, report));
            report.add(Problem::new(format!("{path}.name"), message).help("give each endpoint its own name"));
        }
        let base = &spec.base;
        let place =
            format!("{}/{}/{}{}", base.is_tls(), base.host().to_lowercase(), base.port(), base.path());
        if let Some(first) = places.insert(place, path) {
            let message = format!("another endpoint has the same URL: {}", located(first, report));
            let problem = Problem::new(format!("{path}.url"), message);
            report.add(problem.help("remove one of the two; use `weight` to give an endpoint more traffic"));
        }
    }
}

fn located(path: &str, report: &Report) -> String {
    match report.sources.lines.of(path) {
        Some(line) => format!("{path} in line {line}"),
        None => path.to_owned(),
    }
}

/// Makes derived names unique; names that the user chose stay as they are.
fn name_all(resolved: Vec<Resolved>) -> Vec<EndpointSpec> {
    let mut taken: HashSet<Arc<str>> =
        resolved.iter().filter(|r| r.named).map(|r| Arc::clone(&r.spec.name)).collect();
    let mut specs = vec![];
    for Resolved { named, mut spec, .. } in resolved {
        let mut name = Arc::clone(&spec.name);
        let mut n = 2;
        while !named && !taken.insert(Arc::clone(&name)) {
            name = format!("{}-{n}", spec.name).into();
            n += 1;
        }
        if name != spec.name {
            EndpointSpec { name: spec.name, shown: spec.shown, .. } =
                EndpointSpec::new(name, spec.base.clone());
        }
        specs.push(spec);
    }
    specs
}

// === impl Entry ===

impl Entry<'_> {
    fn resolve(mut self, report: &mut Report) -> Option<Resolved> {
        let kind = self.kind(report);
        let base = self.base(report);
        self.check_schedule(report);
        let headers = self.headers(kind, report);
        let trust = self.trust(report);
        let filter = std::mem::take(&mut self.raw.model_filter);
        let models = models::resolve(std::mem::take(&mut self.raw.models), filter, &self.path, report);
        let health = self.expanded("health_check_url", self.raw.health_check_url.as_deref(), report);
        let listing = self.expanded("model_url", self.raw.model_url.as_deref(), report);
        let name = self.raw.name.take().map(|name| name.trim().to_owned());
        let named = name.is_some();
        if name.as_ref().is_some_and(String::is_empty) {
            report.add(Problem::new(self.key("name"), "is empty").help("leave it out to have one derived"));
        }

        // Everything that can be checked without it has been, so that little is hidden by a bad URL.
        let base = base?;
        let mut spec = EndpointSpec::new(name.unwrap_or_else(|| self.derived_name(kind, &base)), base);
        spec.kind = kind;
        spec.priority = self.raw.priority;
        spec.weight = self.raw.weight;
        spec.max_concurrent = NonZeroU32::new(self.raw.max_concurrent);
        spec.health = self.target(&spec, "health_check_url", health, report);
        spec.listing = self.target(&spec, "model_url", listing, report);
        spec.check_interval = self.raw.check_interval;
        spec.check_timeout = self.raw.check_timeout;
        spec.preserve_path = self.raw.preserve_path;
        (spec.headers, spec.forward_credentials) = headers;
        spec.allow_paths =
            Arc::new(PathRules::parse(self.raw.allow_paths.iter().map(String::as_str)).unwrap_or_default());
        (spec.declared_models, spec.filter, spec.placement) = (models.declared, models.filter, models.rules);
        spec.trust = trust;
        self.note_risks(&spec, report);
        Some(Resolved { path: self.path, named, spec })
    }

    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    fn base(&self, report: &mut Report) -> Option<BaseUrl> {
        let key = self.key("url");
        let Some(url) = self.raw.url.as_deref() else {
            if !report.mentions(&key) {
                report.add(Problem::new(key, "is missing").help("write it like http://host:port"));
            }
            return None;
        };
        let url = expand(url, &self.options.env, &key, report)?;
        let error = match BaseUrl::parse(&url) {
            Ok(base) => return Some(base),
            Err(error) => error,
        };
        // A query is reported before what may be wrong in front of it.
        let before = url.split(['?', '#']).next().filter(|_| error == UrlError::Query);
        let before = before.and_then(|url| BaseUrl::parse(url).err());
        for error in before.into_iter().chain([error]) {
            report.add(Problem::new(&key, error.to_string()));
        }
        None
    }

    fn expanded(&self, key: &str, text: Option<&str>, report: &mut Report) -> Option<String> {
        expand(text?, &self.options.env, &self.key(key), report)
    }

    fn kind(&self, report: &mut Report) -> Option<KindId> {
        let written = self.raw.kind.trim();
        if written.is_empty() || written.eq_ignore_ascii_case("auto") {
            return None;
        }
        let profiles = self.profiles?;
        let kind = profiles.resolve(written);
        if kind.is_none() && profiles.left_out().any(|word| word.eq_ignore_ascii_case(written)) {
            let message = format!("the kind {written:?} is left out by `proxy.profile_filter`");
            let problem = Problem::new(self.key("type"), message);
            report.add(problem.help("let the filter admit it, or remove the endpoint"));
        } else if kind.is_none() {
            let known = std::iter::once("auto").chain(profiles.iter().map(|profile| &*profile.name));
            let known: Vec<_> = known.collect();
            let message = format!("unknown kind {written:?}; known are {}", known.join(", "));
            let meant = suggest::closest(written, profiles.names().into_iter());
            report.add(Problem::new(self.key("type"), message).suggest(meant));
        }
        kind
    }

    fn derived_name(&self, kind: Option<KindId>, base: &BaseUrl) -> String {
        let profile = kind.and_then(|kind| self.profiles?.get(kind));
        let kind = profile.map_or("auto", |profile| &*profile.name);
        format!("{kind}-{}-{}", base.host(), base.port())
    }

    fn target(
        &self,
        spec: &EndpointSpec,
        key: &str,
        text: Option<String>,
        report: &mut Report,
    ) -> Option<Target> {
        let text = text.filter(|text| !text.trim().is_empty())?;
        spec.base
            .target(&text)
            .map_err(|error| report.add(Problem::new(self.key(key), error.to_string())))
            .ok()
    }

    fn check_schedule(&self, report: &mut Report) {
        let (interval, timeout) = (self.raw.check_interval, self.raw.check_timeout);
        if interval < MIN_INTERVAL {
            report.add(Problem::new(self.key("check_interval"), "must be at least 1s"));
        }
        let wrong = match timeout {
            Duration::ZERO => "must be more than 0".to_owned(),
            timeout if timeout > MAX_TIMEOUT => "must be at most 30s".to_owned(),
            timeout if timeout >= interval => format!(
                "must be shorter than `check_interval`, but {timeout:?} is not shorter than {interval:?}"
            ),
            _ => return,
        };
        report.add(Problem::new(self.key("check_timeout"), wrong));
    }

    /// Returns the headers to send, credentials last, and whether the client's own are passed on.
    fn headers(&self, kind: Option<KindId>, report: &mut Report) -> (Arc<[auth::Header]>, bool) {
        let own = auth::headers(&self.raw, &self.path, &self.options.env, report);
        let profile = kind.and_then(|kind| self.profiles?.get(kind));
        let mut headers = profile.map(|profile| profile.headers.clone()).unwrap_or_default();
        headers.retain(|(name, _)| own.iter().all(|(other, _)| other != name));
        headers.extend(own);
        if !self.has_auth {
            return (headers.into(), false);
        }
        let auth = auth::resolve(&self.raw.auth, &self.key("auth"), self.options, report);
        if let Some((name, value)) = auth.header {
            headers.retain(|(other, _)| *other != name);
            headers.push((name, value));
        }
        (headers.into(), auth.forward)
    }

    fn trust(&self, report: &mut Report) -> TlsTrust {
        let Some(file) = &self.raw.tls.ca_file else {
            return if self.raw.tls.insecure_skip_verify { TlsTrust::Anyone } else { TlsTrust::System };
        };
        if self.raw.tls.insecure_skip_verify {
            let problem =
                Problem::new(self.key("tls.ca_file"), "has no effect beside `insecure_skip_verify`");
            report.add(
                problem.help("with `ca_file` the certificate can be checked; remove `insecure_skip_verify`"),
            );
        }
        let problem = match fs::read(self.options.directory.join(file)) {
            Ok(pem) if pem.windows(PEM.len()).any(|part| part == PEM) => {
                return TlsTrust::SystemAnd(pem.into());
            }
            Ok(_) => "the file holds no PEM certificate".to_owned(),
            Err(error) => format!("cannot read the file: {error}"),
        };
        report.add(Problem::new(self.key("tls.ca_file"), problem));
        TlsTrust::System
    }

    fn note_risks(&self, spec: &EndpointSpec, report: &mut Report) {
        let name = &spec.name;
        if spec.trust == TlsTrust::Anyone {
            report.notice(
                Part::Endpoints,
                format!(
                    "endpoint {name}: certificates are not checked (tls.insecure_skip_verify), \
                 so that anyone on the way can read and change the traffic"
                ),
            );
        }
        let profile = spec.kind.and_then(|kind| self.profiles?.get(kind));
        if let Some(profile) = profile
            && let Some(health) = &spec.health
            && let path = health.path.path()
            && let path = path.strip_prefix(spec.base.path()).unwrap_or(path)
            && let Some(cost) = profile.costly_health(path)
        {
            report.notice(
                Part::Endpoints,
                format!(
                    "endpoint {name}: health_check_url {path} is costly: {cost}; \
                 leave it out to ask for {}",
                    profile.health_path
                ),
            );
        }
    }
}

const PEM: &[u8] = b"-----BEGIN CERTIFICATE-----";
