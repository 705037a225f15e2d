//! From a kubeconfig to a client. Reads files; the network is touched by the first request only.

use std::path::PathBuf;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

use crate::world::Unseen;

/// How long a connection may take to come up.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Which Kubernetes to speak to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveOptions {
    /// The kubeconfig; `None`: `$KUBECONFIG`, else the one in the home directory, else, inside a
    /// pod, the pod's own service account.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; `None`: its current one.
    pub context: Option<String>,
}

/// A Kubernetes that was chosen, not spoken to yet.
pub(crate) struct Choice {
    /// The API server's address.
    pub(crate) server: String,
    source: Source,
}

enum Source {
    File { kubeconfig: Box<Kubeconfig>, context: String },
    Pod(Box<Config>),
}

/// Finds out which Kubernetes is meant.
pub(crate) fn choose(options: &LiveOptions) -> Result<Choice, Unseen> {
    let read = match &options.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    match read {
        Ok(kubeconfig) => from_file(kubeconfig, options.context.as_deref()),
        Err(error) => match Config::incluster() {
            Ok(config) if options.kubeconfig.is_none() && options.context.is_none() => {
                let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
                Ok(Choice { server, source: Source::Pod(Box::new(config)) })
            }
            _ => Err(unread(&error)),
        },
    }
}

/// Builds the client. `default_retry` is off because it repeats any request, creations included.
pub(crate) async fn connect(choice: &Choice) -> Result<Client, Unseen> {
    let mut config = match &choice.source {
        Source::Pod(config) => Config::clone(config),
        Source::File { kubeconfig, context } => {
            let options = KubeConfigOptions {
                context: Some(context.clone()),
                ..KubeConfigOptions::default()
            };
            Config::from_custom_kubeconfig(Kubeconfig::clone(kubeconfig), &options)
                .await
                .map_err(|error| unread(&error))?
        }
    };
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_LIMIT);
    // Limits of a request are set around it, since watches and forwarded ports have none.
    config.read_timeout = None;
    Client::try_from(config).map_err(|error| unbuilt(&error))
}

fn from_file(kubeconfig: Kubeconfig, wanted: Option<&str>) -> Result<Choice, Unseen> {
    let there: Vec<&str> = kubeconfig.contexts.iter().map(|named| named.name.as_str()).collect();
    let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
    let current = kubeconfig.current_context.as_deref().filter(|name| !name.is_empty());
    let name = wanted.or(current).ok_or_else(|| {
        unseen(format!("it has no current context; choose one with --context (there: {there})"))
    })?;
    let context = kubeconfig
        .contexts
        .iter()
        .find(|named| named.name == name)
        .and_then(|named| named.context.as_ref())
        .ok_or_else(|| unseen(format!("it has no context `{name}` (there: {there})")))?;
    let server = kubeconfig
        .clusters
        .iter()
        .find(|named| named.name == context.cluster)
        .and_then(|named| named.cluster.as_ref()?.server.as_deref())
        .ok_or_else(|| unseen(format!("context `{name}` names no cluster with a server")))?;
    let server = without_login(server.trim_end_matches('/'));
    let context = name.to_owned();
    Ok(Choice { server, source: Source::File { kubeconfig: Box::new(kubeconfig), context } })
}

/// An address as it may be shown and kept in a plan: a name and a password in it are left out.
fn without_login(server: &str) -> String {
    let Some((scheme, rest)) = server.split_once("://") else { return server.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => server.to_owned(),
    }
}

/// A YAML error quotes the lines around it, which may hold a token: it is not passed on.
fn unread(error: &KubeconfigError) -> Unseen {
    use KubeconfigError as E;
    unseen(match error {
        E::ReadConfig(error, path) => format!(
            "cannot read {}: {error}; name a kubeconfig with --kubeconfig or $KUBECONFIG",
            path.display()
        ),
        E::FindPath => {
            "there is no home directory to look in; name a kubeconfig with --kubeconfig".to_owned()
        }
        E::Parse(_) => {
            "it is not a kubeconfig in YAML; `kubectl config view` says where".to_owned()
        }
        E::ParseCertificates(_) => "its certificates are not in PEM format".to_owned(),
        E::LoadCertificateAuthority(error) => format!("its certificate authority: {error}"),
        E::LoadClientCertificate(error) => format!("its client certificate: {error}"),
        E::LoadClientKey(_) => "its client key cannot be read".to_owned(),
        other => other.to_string(),
    })
}

fn unbuilt(error: &kube::Error) -> Unseen {
    unseen(match error {
        kube::Error::ProxyProtocolDisabled { .. }
        | kube::Error::ProxyProtocolUnsupported { .. } => {
            "its `proxy-url` is not supported; use a context without one".to_owned()
        }
        kube::Error::InferKubeconfig(error) => return unread(error),
        kube::Error::RustlsTls(error) => format!("its certificates cannot be used: {error}"),
        other => crate::live::errors::broken("the server", other).why,
    })
}

fn unseen(why: String) -> Unseen {
    Unseen { doing: "reading the kubeconfig".to_owned(), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = r#"
apiVersion: v1
kind: Config
clusters: [{name: here, cluster: {server: "https://10.0.0.1:6443/"}}]
contexts:
- {name: dev, context: {cluster: here, user: me}}
- {name: lost, context: {cluster: nowhere, user: me}}
users: [{name: me, user: {token: swordfish}}]
"#;

    fn chosen(context: Option<&str>) -> Result<String, String> {
        let kubeconfig = Kubeconfig::from_yaml(TWO).expect("valid YAML");
        from_file(kubeconfig, context).map(|choice| choice.server).map_err(|error| error.why)
    }

    #[test]
    fn a_context_leads_to_its_server() {
        assert_eq!(chosen(Some("dev")), Ok("https://10.0.0.1:6443".to_owned()));
    }

    #[test]
    fn a_password_in_an_address_is_left_out() {
        for (given, shown) in [
            ("https://ana:p@ss@10.0.0.1:6443", "https://10.0.0.1:6443"),
            ("https://10.0.0.1:6443/a@b", "https://10.0.0.1:6443/a@b"),
            ("https://ana:x@host/base", "https://host/base"),
            ("host", "host"),
        ] {
            assert_eq!(without_login(given), shown);
        }
    }

    #[test]
    fn an_unknown_context_is_answered_with_those_there_are() {
        assert_eq!(chosen(Some("prod")), Err("it has no context `prod` (there: dev, lost)".into()));
        let none = chosen(None).expect_err("no current context");
        assert!(none.contains("(there: dev, lost)"), "{none}");
        assert!(chosen(Some("lost")).expect_err("no cluster").contains("no cluster"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let options =
            LiveOptions { kubeconfig: Some(PathBuf::from("/nowhere/config")), context: None };
        let why = choose(&options).err().expect("no such file").why;
        assert!(why.starts_with("cannot read /nowhere/config: "), "{why}");
    }

    #[test]
    fn broken_yaml_gives_away_nothing_it_holds() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), "users: [{name: me, user: {token: swordfish}}\n: :")
            .expect("written");
        let options = LiveOptions { kubeconfig: Some(file.path().to_owned()), context: None };
        let why = choose(&options).err().expect("broken").why;
        assert!(!why.contains("swordfish"), "{why}");
    }
}
