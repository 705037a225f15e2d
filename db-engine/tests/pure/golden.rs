//! What members run, against files beside this one. `UPDATE_GOLDEN=1` writes them anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use db_engine::cluster::{ClusterSpec, Content, EngineKind, PoolSpec, Role};
use db_engine::drivers::driver;
use db_engine::engine::Unfit;
use db_engine::workload::{Check, EnvValue, KeptDir, Probe, Workload};

fn cluster() -> ClusterSpec {
    let settings =
        [("timestamp_precision", "us"), ("wal_buffer_size_in_byte", "1"), ("dn_rpc_port", "1")];
    ClusterSpec {
        name: "plant".to_owned(),
        version: "2.0.5".to_owned(),
        schema_replication: 3,
        data_replication: 2,
        settings: owned(&settings),
        seed_host: "control-0.plant-control.iot.svc.cluster.local".to_owned(),
    }
}

fn pool(role: Role) -> PoolSpec {
    let settings = [("wal_buffer_size_in_byte", "16777216"), ("x", "$(POD_NAME) costs 5$")];
    PoolSpec {
        role,
        domain: format!("plant-{role}.iot.svc.cluster.local"),
        memory_bytes: 8 << 30,
        cpu_milli: 4000,
        settings: if role == Role::Control { BTreeMap::new() } else { owned(&settings) },
        apart: BTreeSet::new(),
    }
}

fn owned(settings: &[(&str, &str)]) -> BTreeMap<String, String> {
    settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn workload(role: Role) -> Workload {
    driver(EngineKind::Iotdb).workload(&cluster(), &pool(role))
}

fn probe(probe: &Probe) -> String {
    let check = match &probe.check {
        Check::Tcp(port) => format!("tcp {port}"),
        Check::Http { port, path } => format!("http {port}{path}"),
    };
    let Probe { period_seconds, timeout_seconds, failures, .. } = probe;
    format!("{check}, every {period_seconds} s, {timeout_seconds} s each, {failures} failures")
}

fn written(workload: &Workload) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| writeln!(text, "{name}: {value}").unwrap();
    line("title", workload.title.to_owned());
    line("image", format!("{}:{}", workload.image.repository, workload.image.tag));
    line("command", format!("{:?}", workload.command));
    let prepare = workload.prepare.as_ref().unwrap();
    line("prepare", format!("{:?} fills {:?}", prepare.command, prepare.fills));
    line("user", workload.user_id.to_string());
    line("grace", format!("{} s", workload.grace_seconds));
    line("startup", probe(&workload.startup));
    line("readiness", probe(&workload.readiness));
    line("liveness", probe(&workload.liveness));
    for KeptDir { content, sub_path, place } in &workload.kept_dirs {
        line("kept", format!("{place}, as {sub_path} on the volume of the {}", content.title()));
    }
    line("scratch", format!("{:?}", workload.scratch_dirs));
    line("client port", format!("{:?}", workload.client_port));
    line("survey port", format!("{:?}", workload.survey_port));
    for port in &workload.ports {
        line("port", format!("{} {}", port.number, port.name));
    }
    for (name, value) in &workload.env {
        let value = match value {
            EnvValue::PodName => "<the pod's name>",
            EnvValue::Text(text) => text,
        };
        line("env", format!("{name}={value}"));
    }
    text
}

fn compare(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pure/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let want = std::fs::read_to_string(&path).unwrap();
    assert_eq!(want, text, "{name}; UPDATE_GOLDEN=1 accepts it");
}

#[test]
fn what_members_run() {
    compare("confignode.txt", &written(&workload(Role::Control)));
    compare("datanode.txt", &written(&workload(Role::Mixed)));
}

/// The lines by which a DataNode with a volume for its write-ahead log differs from one without.
#[test]
fn a_data_node_with_its_log_apart_is_told_where() {
    let apart = [Content::Wal].into();
    let apart = PoolSpec { apart, ..pool(Role::Mixed) };
    let apart = written(&driver(EngineKind::Iotdb).workload(&cluster(), &apart));
    let plain = written(&workload(Role::Mixed));
    let lines = |text: &str| -> BTreeSet<String> { text.lines().map(str::to_owned).collect() };
    let (apart, plain) = (lines(&apart), lines(&plain));
    assert_eq!(plain.difference(&apart).count(), 0);
    let more: Vec<&String> = apart.difference(&plain).collect();
    assert_eq!(
        more,
        [
            "env: dn_wal_dirs=/iotdb/wal",
            "kept: /iotdb/wal, as wal on the volume of the write-ahead log"
        ]
    );
}

#[test]
fn only_who_writes_a_log_ahead_keeps_it_apart() {
    let settings = |name: &str, value: &str| owned(&[(name, value)]);
    let keeps =
        |role, settings| driver(EngineKind::Iotdb).keeps_apart(role, Content::Wal, &settings);
    let why = |answer: Result<(), Unfit>| answer.map_err(|unfit| unfit.reason);
    let protocol = "data_region_consensus_protocol_class";
    let iot = "org.apache.iotdb.consensus.iot.IoTConsensus";
    assert_eq!(keeps(Role::Mixed, owned(&[])), Ok(()));
    assert_eq!(keeps(Role::Storage, settings(protocol, iot)), Ok(()));
    for (role, name, value, reason) in [
        (Role::Control, "x", "1", "a ConfigNode has no write-ahead log"),
        (Role::Compute, "x", "1", "store nothing"),
        (Role::Mixed, "dn_wal_dirs", "/somewhere", "the settings say where"),
        (
            Role::Mixed,
            protocol,
            "org.apache.iotdb.consensus.ratis.RatisConsensus",
            "RatisConsensus",
        ),
    ] {
        let why = why(keeps(role, settings(name, value))).unwrap_err();
        assert!(why.contains(reason), "{role} {name}: {why}");
    }
    assert_eq!(
        driver(EngineKind::Iotdb).keeps_apart(Role::Control, Content::Data, &owned(&[])),
        Ok(())
    );
}

#[test]
fn data_nodes_outside_the_client_service_still_tell_their_state() {
    assert_eq!(workload(Role::Compute).client_port, Some(6667));
    assert_eq!(workload(Role::Storage).client_port, None);
    assert_eq!(workload(Role::Storage).survey_port, Some(18080));
    assert_eq!(workload(Role::Control).survey_port, None);
}

#[test]
fn nobody_can_set_what_we_write_ourselves() {
    let engine = driver(EngineKind::Iotdb);
    let reserved = |name: &str| engine.reserved_settings().iter().any(|&(it, _)| it == name);
    let fixed = |name: &str| engine.fixed_settings().iter().any(|&(it, _)| it == name);
    let bare = ClusterSpec { settings: BTreeMap::new(), ..cluster() };
    for role in Role::ALL {
        let pool = PoolSpec { settings: BTreeMap::new(), ..pool(role) };
        for (name, _) in engine.workload(&bare, &pool).env {
            let free = name.ends_with("_consensus_protocol_class");
            assert!(reserved(&name) != free, "{name}");
            assert!(!free || fixed(&name), "{name}");
        }
    }
}

#[test]
fn names_and_numbers_are_such_as_kubernetes_takes() {
    for role in Role::ALL {
        let workload = workload(role);
        let mut names: Vec<_> = workload.ports.iter().map(|port| port.name).collect();
        assert!(names.iter().all(|name| name.len() <= 15 && !name.contains('_')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), workload.ports.len());
        assert_eq!(workload.env.first().unwrap().1, EnvValue::PodName);
        assert!(workload.startup.period_seconds * workload.startup.failures >= 300);
        assert!(workload.grace_seconds >= 120);
        let fills = workload.prepare.unwrap().fills.0;
        assert!(workload.scratch_dirs.iter().any(|(volume, _)| *volume == fills));
        let title = engine_title(role);
        assert!(title.contains(workload.title), "{title}");
    }
}

fn engine_title(role: Role) -> &'static str {
    let roles = driver(EngineKind::Iotdb).roles();
    roles.iter().find(|(it, _)| *it == role).unwrap().1
}
