//! Planning and applying hold their laws on the sandbox, over generated stacks and over told cases.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod alone;
mod any_order;
mod apart;
mod cases;
mod drift;
mod ends;
mod growth;
mod halves;
mod identity;
mod interrupted;
mod laws;
mod locked;
mod lost;
mod mishaps;
mod moved;
mod moving;
mod ownership;
mod preparing;
mod refusals;
mod remade;
mod restless;
mod selected;
mod sketch;
mod stale;
mod told;
mod watched;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;
use serde_json::Value;
use tsinfra::apply::event::Event;
use tsinfra::apply::hold::Claim;
use tsinfra::apply::{self, Outcome};
use tsinfra::object::{Kind, LABEL_STACK, Labels, ObjectKey};
use tsinfra::plan::{Plan, Purpose};
use tsinfra::render;
use tsinfra::sandbox::{Furniture, Sandbox};
use tsinfra::stack::{self, Stack};
use tsinfra::survey::{self, Request};
use tsinfra::world::World;

use watched::Watched;

/// Runs a future on one thread, as the verbs do.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn stack(text: &str) -> Stack {
    stack::read("stack.toml", text).unwrap_or_else(|wrong| panic!("{}", wrong.render(false, 100)))
}

/// A plan of a stack as the verbs make it.
fn plan_for<W: World>(world: &W, stack: &Stack, purpose: Purpose, consents: &[String]) -> Plan {
    let request = Request { stack, digest: "of-a-test", purpose, consents };
    block_on(survey::plan(world, &request)).unwrap()
}

fn plan<W: World>(world: &W, stack: &Stack) -> Plan {
    plan_for(world, stack, Purpose::Apply, &[])
}

fn destruction<W: World>(world: &W, stack: &Stack) -> Plan {
    plan_for(world, stack, Purpose::Destroy, &[])
}

/// A claim to the lock that outwaits a holder that is dead, or that left an answer outstanding.
fn claim(holder: &str) -> Claim {
    let (holder, purpose) = (holder.to_owned(), "test".to_owned());
    Claim { holder, purpose, patience: Duration::from_secs(200) }
}

/// Carries a plan out to its end.
fn run<W: World>(world: &W, plan: &Plan) -> Outcome {
    run_until(world, plan, |_| false)
}

/// Carries a plan out until an event after which the user stops it.
fn run_until<W: World>(world: &W, plan: &Plan, mut last: impl FnMut(&Event) -> bool) -> Outcome {
    assert!(plan.blocked.is_empty(), "blocked: {:#?}", plan.blocked);
    let stop = AtomicBool::new(false);
    let tell = |event: &Event| {
        if last(event) {
            stop.store(true, Ordering::Relaxed);
        }
    };
    block_on(apply::run(world, plan, &claim("the test"), &stop, tell, |_| ()))
}

/// Plans and carries out, completely.
fn apply_all<W: World>(world: &W, stack: &Stack) -> Plan {
    let plan = plan(world, stack);
    let outcome = run(world, &plan);
    assert!(outcome.is_complete(&plan), "{outcome:#?}");
    plan
}

fn destroy_all<W: World>(world: &W, stack: &Stack) -> Plan {
    let plan = destruction(world, stack);
    let outcome = run(world, &plan);
    assert!(outcome.is_complete(&plan), "{outcome:#?}");
    plan
}

/// A sandbox with machines enough for every sketch.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::in_memory();
    let machines = (1..=5).map(|n| (format!("worker-{n}"), Labels::new()));
    sandbox.furnish(&Furniture { nodes: machines.collect(), ..Furniture::default() });
    sandbox
}

/// Lets the sandbox come to rest.
fn rest(sandbox: &Sandbox, seconds: u64) {
    sandbox.disturb(|cluster| cluster.advance(Duration::from_secs(seconds)));
}

/// The whole state as bytes.
fn bytes(sandbox: &Sandbox) -> String {
    serde_json::to_string(&sandbox.snapshot()).unwrap()
}

/// What an owner cares for in the world: every object of the stack and its pods, without what is
/// given by chance or by the hour.
fn shape(sandbox: &Sandbox) -> BTreeMap<String, Value> {
    const CHANCE: [&str; 9] = [
        "clusterIP",
        "clusterIPs",
        "nodePort",
        "nodeName",
        "volumeName",
        "claimRef",
        "status",
        "healthCheckNodePort",
        "generation",
    ];
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.retain(|name, _| !CHANCE.contains(&name.as_str()));
                map.values_mut().for_each(strip);
            }
            Value::Array(list) => list.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let ours =
        |value: &Value| value["metadata"]["labels"].get(LABEL_STACK) == Some(&"plant".into());
    let snapshot = sandbox.snapshot();
    let objects = snapshot.objects.iter().filter(|(key, object)| {
        ours(&object.value) && !matches!(key.kind, Kind::ConfigMap | Kind::Lease)
    });
    let strip_all =
        |(key, object): (&ObjectKey, &std::sync::Arc<tsinfra::observed::LiveObject>)| {
            let mut value = Value::clone(&object.value);
            strip(&mut value);
            let labels = value["metadata"]["labels"].clone();
            value["metadata"] = labels;
            (key.to_string(), value)
        };
    objects.map(strip_all).collect()
}

/// The seed of the few cases every run has: a change is to blame for what it breaks, not chance.
const SEED: u64 = 20_260_122;

/// Few cases, because each is a whole cluster's life, and always the same; `PROPTEST_CASES=200`
/// asks for more, by chance.
fn config(cases: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    let cases = asked.unwrap_or(0).max(cases);
    ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 12,
        rng_seed: if asked.is_some() { RngSeed::Random } else { RngSeed::Fixed(SEED) },
        ..ProptestConfig::default()
    }
}

/// Nothing went against the safety rules.
fn assert_safe(world: &Watched) {
    assert_eq!(world.wrong(), Vec::<String>::new());
}

/// Planning finds nothing to do, and nothing to say.
fn assert_settled<W: World>(world: &W, stack: &Stack) {
    let again = plan(world, stack);
    let shown = render::plan::plan(&again, render::plan::Style::default());
    assert!(again.is_empty() && again.changes.is_empty() && again.notes.is_empty(), "{shown}");
}
