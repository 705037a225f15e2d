//! What one member of a pool runs: command, environment, ports, probes, directories. No Kubernetes types.

use crate::cluster::Content;

/// The process of a pool's members; the same for each of them but for its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// What an operator calls a member, e.g. `DataNode`.
    pub title: &'static str,
    /// The container's name, e.g. `datanode`.
    pub container: &'static str,
    /// The vendor's image without a tag, and the tag for the asked version.
    pub image: VendorImage,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Environment in the order it is set; a later value may refer to an earlier one as `$(NAME)`.
    pub env: Vec<(String, EnvValue)>,
    /// Listening ports.
    pub ports: Vec<Port>,
    /// Until it first answers.
    pub startup: Probe,
    /// While it may be sent traffic.
    pub readiness: Probe,
    /// While it need not be restarted.
    pub liveness: Probe,
    /// Directories on the member's volumes.
    pub kept_dirs: Vec<KeptDir>,
    /// Directories that start empty with each pod, by volume name and place.
    pub scratch_dirs: Vec<(&'static str, &'static str)>,
    /// Filled before the process starts, from the same image.
    pub prepare: Option<Prepare>,
    /// The user and group the process runs as.
    pub user_id: i64,
    /// How long a stop may take, in seconds.
    pub grace_seconds: i64,
    /// The port clients connect to, if members of this pool serve clients.
    pub client_port: Option<u16>,
    /// The port tsinfra asks the database's own state at, if members of this pool answer that.
    pub survey_port: Option<u16>,
}

/// A directory that outlives its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptDir {
    /// What is in it, and so on which volume it is.
    pub content: Content,
    /// Where on the volume: never its root, where file systems keep things of their own.
    pub sub_path: &'static str,
    /// Where the process sees it.
    pub place: &'static str,
}

/// The image a vendor publishes for a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VendorImage {
    /// e.g. `apache/iotdb`.
    pub repository: &'static str,
    /// e.g. `2.0.5-standalone`.
    pub tag: String,
}

/// Where the value of an environment variable comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvValue {
    /// Written as it is; may hold `$(NAME)` of an earlier variable.
    Text(String),
    /// The pod's own name.
    PodName,
}

/// A listening port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// At most 15 characters, lower case.
    pub name: &'static str,
    /// TCP port number.
    pub number: u16,
}

/// How a member's health is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What is tried.
    pub check: Check,
    /// Seconds between two tries.
    pub period_seconds: u32,
    /// Seconds one try may take.
    pub timeout_seconds: u32,
    /// Failures in a row that count.
    pub failures: u32,
}

/// What a probe tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// A TCP connection to this port.
    Tcp(u16),
    /// An HTTP GET that answers 200.
    Http {
        /// Port.
        port: u16,
        /// Path, from `/`.
        path: &'static str,
    },
}

/// Something run in the member's own image before the member starts, to fill a scratch directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepare {
    /// The init container's name.
    pub container: &'static str,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Scratch volume and where the init container sees it.
    pub fills: (&'static str, &'static str),
}
