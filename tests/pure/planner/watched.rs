//! A sandbox under guard: after everything that happens in it the safety rules are checked.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use tsinfra::lock::Lock;
use tsinfra::object::{Kind, LABEL_CLUSTER, LABEL_STACK, ObjectKey};
use tsinfra::observed::{LiveObject, Scope};
use tsinfra::plan::step::Action;
use tsinfra::rehearsal::rules::{Actor, Rules};
use tsinfra::sandbox::{Cluster, Sandbox};
use tsinfra::stack::Stack;
use tsinfra::world::{Refused, World};

/// A world that notes what goes against the safety rules.
pub(super) struct Watched {
    pub(super) sandbox: Sandbox,
    rules: RefCell<Rules>,
    /// Actions until one whose answer is lost, and whether that one is carried out.
    lost: Cell<Option<(usize, bool)>>,
}

impl Watched {
    /// Puts strangers' objects beside the stack and watches from then on.
    pub(super) fn over(sandbox: Sandbox, stack: &Stack) -> Self {
        plant(&sandbox);
        let rules = sandbox.disturb(|cluster| {
            cluster.advance(Duration::from_secs(10));
            let mut rules = Rules::over(cluster, stack);
            rules.remember_foreign(cluster, is_foreign);
            // Steps are carried out one by one here, too, without a run that keeps a record.
            rules.miss_the_record();
            rules
        });
        Self { sandbox, rules: RefCell::new(rules), lost: Cell::new(None) }
    }

    /// What went against the rules so far.
    pub(super) fn wrong(&self) -> Vec<String> {
        self.rules.borrow().wrong()
    }

    /// Loses the answer to an action some actions ahead.
    pub(super) fn lose_answer(&self, ahead: usize, carried_out: bool) {
        self.lost.set(Some((ahead, carried_out)));
    }

    fn check(&self) {
        self.sandbox.disturb(|cluster| self.rules.borrow_mut().after(cluster));
    }
}

/// Names of what was planted.
fn is_foreign(key: &ObjectKey) -> bool {
    key.name.contains("stranger")
}

fn plant(sandbox: &Sandbox) {
    let labels = json!({ LABEL_STACK: "stranger", LABEL_CLUSTER: "alpha", "app": "stranger" });
    let within = |kind| ObjectKey::within(kind, "tsdb", "stranger");
    let pod = json!({ "containers": [{ "name": "main", "image": "stranger:1" }] });
    let set = json!({ "spec": {
        "replicas": 1, "serviceName": "stranger", "selector": { "matchLabels": { "app": "stranger" } },
        "template": { "metadata": { "labels": labels }, "spec": pod },
    }});
    let claim = json!({ "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "none",
        "resources": { "requests": { "storage": "1Gi" } },
    }});
    let service = json!({ "spec": { "selector": { "app": "stranger" }, "ports": [
        { "name": "web", "port": 80, "protocol": "TCP", "targetPort": 80 }
    ]}});
    let budget = json!({ "spec": {
        "maxUnavailable": 1, "selector": { "matchLabels": { "app": "stranger" } },
    }});
    let class = json!({ "provisioner": "stranger.example.org", "reclaimPolicy": "Delete" });
    let mut objects = vec![
        (within(Kind::StatefulSet), set),
        (within(Kind::PersistentVolumeClaim), claim),
        (within(Kind::Service), service),
        (within(Kind::PodDisruptionBudget), budget),
        (within(Kind::ConfigMap), json!({ "data": { "key": "value" } })),
        (ObjectKey::global(Kind::StorageClass, "stranger"), class),
    ];
    for (_, manifest) in &mut objects {
        manifest["metadata"] = json!({ "labels": labels });
    }
    let namespace = ObjectKey::global(Kind::Namespace, "tsdb");
    objects.insert(0, (namespace, json!({ "metadata": {} })));
    for (object, manifest) in objects {
        super::block_on(sandbox.perform(&Action::Create { object, manifest })).unwrap();
    }
}

impl Watched {
    /// The steps that stand in the stack's Lease as begun.
    pub(super) fn begun(&self) -> BTreeSet<String> {
        let snapshot = self.sandbox.snapshot();
        let lease = snapshot.of_kind(Kind::Lease).next().map(|(_, lease)| lease.clone());
        let lease = LiveObject::of(lease.unwrap_or_default());
        Lock::from_lease(&lease).map(|lock| lock.begun).unwrap_or_default()
    }
}

impl World for Watched {
    tsinfra::pass_on!(me => me.sandbox;
        target, look, preview, keep, drop_record, swap, time_of_day, elapsed);

    async fn perform(&self, action: &Action) -> Result<(), Refused> {
        // Neither a lock nor the consent to an end is asked for: steps are carried out one by one
        // here, too.
        let actor = Actor { holder: None, may_end: true, late: false, known: None };
        let judge = |cluster: &mut Cluster| self.rules.borrow_mut().judge(cluster, &actor, action);
        self.sandbox.disturb(judge);
        let lost = self.lost.take();
        self.lost.set(lost.and_then(|(ahead, done)| Some((ahead.checked_sub(1)?, done))));
        let unknown = Err(Refused::Unknown("the answer was lost".to_owned()));
        if lost == Some((0, false)) {
            return unknown;
        }
        let outcome = self.sandbox.perform(action).await;
        self.check();
        if lost == Some((0, true)) { unknown } else { outcome }
    }

    async fn stir(&self, scope: &Scope, at_most: Duration) {
        self.sandbox.stir(scope, at_most).await;
        self.check();
    }
}
