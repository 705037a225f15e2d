//! Mistakes in what is made of a plan: orders, waits, checks and refusals that are passed over.

use std::collections::BTreeSet;

use tsinfra::object::{Kind, ObjectKey};
use tsinfra::plan::step::{Action, Expect, Risk, Step, StepId, Until};
use tsinfra::plan::{Operation, Plan};
use tsinfra::rehearsal::fault::Fault;

use super::Mistake;
use super::worlds::Twist;

/// All of them.
pub(super) fn all() -> Vec<Mistake> {
    let of = |what, during, told, spoil| Mistake {
        what,
        during,
        under: &[],
        told,
        spoil,
        twist: Twist::None,
    };
    const LOSSES: &[Fault] = &[Fault::PodDeleted, Fault::NodeLost, Fault::MemberCrashes];
    vec![
        of("data members start beside ConfigNodes", "create", "order: ", no_order),
        of("said is taken for done", "create", "order: ", no_waits),
        of("pools restart side by side", "restart", "rule 4: ", |plan| {
            no_order(plan);
            no_expectations(plan);
        }),
        of("members that are ready are taken for listed", "restart", "rule 3: ", |plan| {
            change_waits(plan, |until| matches!(until, Until::Joined { .. }));
        }),
        Mistake {
            under: LOSSES,
            ..of("nobody asks whether the others are ready", "restart", "rule 3: ", |plan| {
                drop_expectations(plan, |expect| matches!(expect, Expect::Ready { .. }));
            })
        },
        of("pools are taken apart side by side", "grow", "rule 4: ", |plan| {
            let is_growth = |id: &StepId| id.0.starts_with("expand/");
            for step in plan.steps.values_mut().filter(|step| is_early(step)) {
                step.after.retain(is_growth);
            }
        }),
        of("a set comes back with fewer members", "grow", "rule 2: ", |plan| {
            for step in plan.steps.values_mut() {
                if let Action::Create { manifest, .. } = &mut step.action {
                    manifest["spec"]["replicas"] = 1.into();
                }
            }
        }),
        of("a restart begins with fewer members", "restart", "rule 2: ", one_member),
        of("members stop and are not waited for", "destroy", "rule 7: ", |plan| {
            change_waits(plan, |until| matches!(until, Until::PodsGone { .. }));
        }),
        of("order is a matter of taste", "destroy", "rule 7: ", no_order),
        of("volumes are not held", "destroy", "its data would go with it", |plan| {
            plan.steps.retain(|_, step| !matches!(step.action, Action::Hold { .. }));
            mend(plan);
        }),
        of("claims go before their members", "destroy", "rule 7: ", |plan| {
            let is_hold = |id: &StepId| id.0.starts_with("hold/");
            for step in steps_on(plan, Kind::PersistentVolumeClaim) {
                step.after.retain(is_hold);
            }
        }),
        of("ConfigNodes go first", "destroy", "order: ", config_nodes_first),
        of("the namespace goes too", "destroy", "rule 1: ", |plan| {
            let namespace = ObjectKey::global(Kind::Namespace, &plan.namespace);
            delete_too(plan, &[namespace]);
        }),
        of("claims that are kept go too", "destroy", "rule 8: ", |plan| {
            delete_kept(plan, Kind::PersistentVolumeClaim);
        }),
        of("volumes that are kept go too", "destroy", "rule 8: ", |plan| {
            delete_kept(plan, Kind::PersistentVolume);
        }),
        of("protection is passed over", "destroy what is protected", "rule 9: ", no_refusals),
        of("nobody consents to a cluster's end", "drop a cluster", "rule 9: ", no_refusals),
        of("members leave undrained", "scale in", "rule 2: ", |plan| {
            plan.steps.retain(|_, step| !matches!(step.action, Action::Say { .. }));
            mend(plan);
            no_expectations(plan);
        }),
        of("who was told to leave is taken for gone", "scale in", "rule 2: ", |plan| {
            change_waits(plan, |until| matches!(until, Until::Left { .. }));
            no_expectations(plan);
        }),
        of("a pool ends undrained", "take a pool out", "rule 2: ", |plan| {
            plan.steps.retain(|_, step| !matches!(step.action, Action::Say { .. }));
            mend(plan);
            no_expectations(plan);
        }),
        of("a pool ends with its members", "take a pool out", "rule 9: ", |plan| {
            plan.steps.retain(|_, step| {
                step.action.object().is_some_and(|it| {
                    it.kind == Kind::StatefulSet && matches!(step.action, Action::Dissolve { .. })
                })
            });
            mend(plan);
            no_expectations(plan);
            for step in plan.steps.values_mut() {
                if let Action::Dissolve { object, uid } = &step.action {
                    step.action = Action::Delete { object: object.clone(), uid: uid.clone() };
                }
            }
        }),
        of("data of a pool go while its members are some", "take a pool out", "rule 9: ", |plan| {
            no_order(plan);
            no_expectations(plan);
        }),
        of("a claim goes while its member is one", "scale in", "rule 9: ", |plan| {
            steps_on(plan, Kind::PersistentVolumeClaim).for_each(|step| step.after.clear());
            no_expectations(plan);
        }),
        of("data go while their member is one", "scale in", "rule 9: ", |plan| {
            no_order(plan);
            no_expectations(plan);
        }),
        of("a claim goes though its lost member is one", "replace", "rule 9: ", |plan| {
            plan.steps.retain(|_, step| {
                let waits = matches!(step.until, Until::Left { .. });
                !matches!(step.action, Action::Say { .. }) && !waits
            });
            mend(plan);
            no_expectations(plan);
        }),
        of("a claim goes though nobody gave it up", "replace", "rule 9: ", |plan| {
            plan.steps.retain(|_, step| !matches!(step.action, Action::Relabel { .. }));
            mend(plan);
        }),
        of("volumes come before their directories", "prepare", "directory is missing", |plan| {
            steps_on(plan, Kind::PersistentVolume).for_each(|step| step.after.clear());
        }),
        of("helpers are not waited for", "prepare", "directory is missing", |plan| {
            plan.steps.retain(|_, step| !matches!(step.action, Action::Retire { .. }));
            let helpers: BTreeSet<StepId> =
                plan.steps.keys().filter(|id| id.0.starts_with("create/Job/")).cloned().collect();
            steps_on(plan, Kind::PersistentVolume).for_each(|step| step.after = helpers.clone());
            change_waits(plan, |until| matches!(until, Until::Finished { .. }));
            mend(plan);
        }),
        of("a helper that goes is gone", "prepare", "a helper is at its directory", |plan| {
            change_waits(plan, |until| matches!(until, Until::PodsGone { .. }));
        }),
        of("waits have no end", "create without storage", "rule 13: ", |plan| {
            plan.steps.values_mut().for_each(|step| step.limit_seconds = 1 << 40);
        }),
    ]
}

/// Whether a step comes before any StatefulSet is made anew.
fn is_early(step: &Step) -> bool {
    matches!(step.action, Action::Orphan { .. } | Action::Expand { .. })
}

fn no_order(plan: &mut Plan) {
    plan.steps.values_mut().for_each(|step| step.after.clear());
}

fn no_waits(plan: &mut Plan) {
    change_waits(plan, |_| true);
}

fn no_refusals(plan: &mut Plan) {
    plan.blocked.clear();
}

/// Nothing is asked before a step acts.
pub(super) fn no_expectations(plan: &mut Plan) {
    drop_expectations(plan, |_| true);
}

fn drop_expectations(plan: &mut Plan, which: fn(&Expect) -> bool) {
    plan.steps.values_mut().for_each(|step| step.expects.retain(|expect| !which(expect)));
}

/// Steps with such a wait are done as soon as they were said.
fn change_waits(plan: &mut Plan, which: fn(&Until) -> bool) {
    for step in plan.steps.values_mut().filter(|step| which(&step.until)) {
        step.until = Until::Said;
    }
}

fn steps_on(plan: &mut Plan, kind: Kind) -> impl Iterator<Item = &mut Step> {
    let on_kind = move |step: &&mut Step| step.action.object().is_some_and(|it| it.kind == kind);
    plan.steps.values_mut().filter(on_kind)
}

/// Drops edges to steps that are not there.
fn mend(plan: &mut Plan) {
    let ids: BTreeSet<StepId> = plan.steps.keys().cloned().collect();
    plan.steps.values_mut().for_each(|step| step.after.retain(|id| ids.contains(id)));
}

fn one_member(plan: &mut Plan) {
    for step in plan.steps.values_mut() {
        if let Action::Update { manifest, .. } = &mut step.action {
            manifest["spec"]["replicas"] = 1.into();
        }
    }
}

fn config_nodes_first(plan: &mut Plan) {
    let of_control =
        |id: &StepId| id.0.starts_with("delete/StatefulSet/") && id.0.ends_with("-config");
    let control: BTreeSet<StepId> =
        plan.steps.keys().filter(|id| of_control(id)).cloned().collect();
    for (id, step) in &mut plan.steps {
        let is_set = step.action.object().is_some_and(|it| it.kind == Kind::StatefulSet);
        match (control.contains(id), is_set) {
            (true, _) => step.after.clear(),
            (false, true) => step.after.extend(control.iter().cloned()),
            (false, false) => {}
        }
    }
}

/// Deletes objects at the end, whatever the plan says of them.
fn delete_too(plan: &mut Plan, objects: &[ObjectKey]) {
    let all: BTreeSet<StepId> = plan.steps.keys().cloned().collect();
    for object in objects {
        let uid = plan.basis.objects.get(object).map(|seen| seen.uid.clone());
        let step = Step {
            action: Action::Delete { object: object.clone(), uid: uid.unwrap_or_default() },
            title: format!("delete {object}"),
            because: "it was in the way".to_owned(),
            expects: Vec::new(),
            after: all.clone(),
            until: Until::Said,
            limit_seconds: 60,
            risk: Risk::None,
            bytes: 0,
        };
        plan.steps.insert(StepId(format!("delete/{object}")), step);
    }
}

fn delete_kept(plan: &mut Plan, kind: Kind) {
    let kept = plan
        .changes
        .iter()
        .filter(|(key, change)| key.kind == kind && change.operation == Operation::Keep);
    let kept: Vec<ObjectKey> = kept.map(|(key, _)| key.clone()).collect();
    delete_too(plan, &kept);
}
