//! Parts that are called otherwise by now: nothing is made, taken down or restarted for it, and all that
//! can be done to a stack can still be done to it.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tsinfra::inventory::Inventory;
use tsinfra::plan::Operation;
use tsinfra::plan::selection::Selection;
use tsinfra::plan::step::{Action, Risk};
use tsinfra::stack::Move;
use tsinfra::stack::parts::PartAddress;

use super::sketch::{Sketch, Storage, sketches, wishes};
use super::*;

/// Which parts are called otherwise.
#[derive(Clone, Copy, Debug)]
struct Renaming {
    cluster: bool,
    pool: bool,
    tier: bool,
}

fn renamings() -> impl Strategy<Value = Renaming> {
    let some = |it: &Renaming| it.cluster || it.pool || it.tier;
    let any = (any::<bool>(), any::<bool>(), any::<bool>());
    any.prop_map(|(cluster, pool, tier)| Renaming { cluster, pool, tier })
        .prop_filter("something is renamed", some)
}

const TIERS: [(&str, &str); 5] =
    [("cloud", "mist"), ("vault", "cellar"), ("meta", "small"), ("ssd", "large"), ("log", "fast")];

impl Renaming {
    /// The text with the new names in it.
    fn of(self, text: &str) -> String {
        let mut text = text.to_owned();
        if self.pool {
            text = text.replace(".pool.hot]", ".pool.glow]");
        }
        if self.cluster {
            text = text.replace("cluster.alpha", "cluster.omega");
        }
        for (old, new) in TIERS.iter().filter(|_| self.tier) {
            text = text.replace(&format!("storage.{old}"), &format!("storage.{new}"));
            text = text.replace(&format!("tier = \"{old}\""), &format!("tier = \"{new}\""));
        }
        text
    }

    /// What says so.
    fn moved(self, text: &str) -> String {
        let entry =
            |from: &str, to: &str| format!("\n[[moved]]\nfrom = \"{from}\"\nto = \"{to}\"\n");
        let mut moved = String::new();
        // A pool may be called by any of its cluster's names.
        for cluster in ["alpha", "beta"]
            .iter()
            .filter(|name| self.pool && text.contains(&format!("[cluster.{name}]")))
        {
            let of = format!("cluster.{cluster}.pool");
            moved += &entry(&format!("{of}.hot"), &format!("{of}.glow"));
        }
        if self.cluster {
            moved += &entry("cluster.alpha", "cluster.omega");
        }
        for (old, new) in TIERS.iter().filter(|_| self.tier) {
            if text.contains(&format!("[storage.{old}]")) {
                moved += &entry(&format!("storage.{old}"), &format!("storage.{new}"));
            }
        }
        moved
    }

    fn with_blocks(self, sketch: &Sketch) -> Stack {
        let text = sketch.text();
        stack(&(self.of(&text) + &self.moved(&text)))
    }

    fn without_blocks(self, sketch: &Sketch) -> Stack {
        stack(&self.of(&sketch.text()))
    }
}

/// Every object of the stack with its uid, but for the record and the lock.
fn uids(sandbox: &Sandbox) -> BTreeMap<String, Value> {
    let snapshot = sandbox.snapshot();
    let objects = snapshot.objects.iter().filter(|(key, object)| {
        object.value["metadata"]["labels"].get(LABEL_STACK) == Some(&"plant".into())
            && !matches!(key.kind, Kind::ConfigMap | Kind::Lease)
    });
    objects.map(|(key, it)| (key.to_string(), it.value["metadata"]["uid"].clone())).collect()
}

/// A world where a sketch lives.
fn lived(sketch: &Sketch) -> Watched {
    let world = Watched::over(sandbox(), &sketch.stack());
    apply_all(&world, &sketch.stack());
    world
}

fn lose_the_record(world: &Watched) {
    let key = Inventory::key("tsdb", "plant");
    world.sandbox.disturb(|cluster| cluster.delete(&key));
}

fn rules(plan: &Plan) -> Vec<(&str, &str)> {
    plan.blocked.iter().map(|entry| (entry.rule.as_str(), entry.address.as_str())).collect()
}

proptest! {
    #![proptest_config(config(4))]

    #[test]
    fn a_renamed_part_is_neither_made_nor_taken_down_nor_restarted(
        sketch in sketches(),
        renaming in renamings(),
        is_record_lost in any::<bool>(),
    ) {
        let world = lived(&sketch);
        let (before, shape_before) = (uids(&world.sandbox), shape(&world.sandbox));
        let renamed = renaming.with_blocks(&sketch);
        let plan = apply_all(&world, &renamed);
        prop_assert!(!plan.moved.is_empty());
        for (key, change) in &plan.changes {
            prop_assert_eq!(change.operation, Operation::Update, "{}", key);
            let only_says_so = |path: &str| path.starts_with(".metadata.annotations[\"tsinfra.dev/");
            prop_assert!(change.fields.iter().all(|it| only_says_so(&it.path)), "{:#?}", change);
        }
        prop_assert!(plan.steps.values().all(|step| step.risk == Risk::None));
        prop_assert_eq!(&uids(&world.sandbox), &before);
        prop_assert_eq!(&shape(&world.sandbox), &shape_before);
        assert_settled(&world, &renamed);
        // The tables have done their work; who knows of it is the record, and the objects are.
        let plain = renaming.without_blocks(&sketch);
        assert_settled(&world, &plain);
        if is_record_lost {
            lose_the_record(&world);
            let again = super::plan(&world, &plain);
            prop_assert!(again.steps.is_empty() && again.is_record_due);
            apply_all(&world, &plain);
            prop_assert_eq!(&uids(&world.sandbox), &before);
            prop_assert!(!super::plan(&world, &plain).has_work());
        }
        assert_safe(&world);
    }

    #[test]
    fn a_renamed_stack_goes_on_as_it_would_have_under_its_old_names(
        sketch in sketches(),
        renaming in renamings(),
        wishes in wishes(),
        at_once in any::<bool>(),
    ) {
        let (plain, renamed) = (lived(&sketch), lived(&sketch));
        let after = sketch.after(&wishes);
        if !at_once {
            apply_all(&renamed, &renaming.with_blocks(&sketch));
            apply_all(&renamed, &renaming.without_blocks(&after));
        } else {
            apply_all(&renamed, &renaming.with_blocks(&after));
        }
        apply_all(&plain, &after.stack());
        prop_assert_eq!(shape(&renamed.sandbox), shape(&plain.sandbox));
        assert_settled(&renamed, &renaming.without_blocks(&after));
        destroy_all(&renamed, &renaming.without_blocks(&after));
        destroy_all(&plain, &after.stack());
        prop_assert_eq!(shape(&renamed.sandbox), shape(&plain.sandbox));
        // And it comes back to what was kept; where nothing was, its old names are forgotten.
        if sketch.clusters.iter().all(|cluster| cluster.storage != Storage::Cloud) {
            apply_all(&renamed, &renaming.without_blocks(&after));
            apply_all(&plain, &after.stack());
            prop_assert_eq!(shape(&renamed.sandbox), shape(&plain.sandbox));
        }
        assert_safe(&renamed);
    }

    #[test]
    fn a_renaming_that_is_stopped_is_taken_up_and_one_that_is_taken_back_leaves_nothing(
        sketch in sketches(),
        renaming in renamings(),
        steps in 0_usize..4,
    ) {
        let world = lived(&sketch);
        let (before, snapshot) = (uids(&world.sandbox), shape(&world.sandbox));
        let renamed = renaming.with_blocks(&sketch);
        let mut left = steps;
        run_until(&world, &plan(&world, &renamed), |_| {
            left = left.saturating_sub(1);
            left == 0
        });
        // Whether the tables are still there or not.
        apply_all(&world, &renaming.without_blocks(&sketch));
        prop_assert_eq!(&uids(&world.sandbox), &before);
        assert_settled(&world, &renamed);
        apply_all(&world, &sketch.stack());
        prop_assert_eq!(&uids(&world.sandbox), &before);
        prop_assert_eq!(&shape(&world.sandbox), &snapshot);
        assert_settled(&world, &sketch.stack());
        let snapshot = world.sandbox.snapshot();
        let says = |value: &Value| value["metadata"]["annotations"].to_string().contains("/called");
        let still: Vec<_> = snapshot.objects.iter().filter(|(_, it)| says(&it.value)).collect();
        prop_assert!(still.is_empty(), "{:#?}", still);
        assert_safe(&world);
    }
}

fn address(text: &str) -> PartAddress {
    text.parse().unwrap()
}

/// The text of a told stack: one cluster of the told name, pools and tier.
fn told(cluster: &str, pools: &[&str], more: &str) -> Stack {
    let mut text = format!(
        "[stack]\nname = \"plant\"\nnamespace = \"tsdb\"\n[target]\nsandbox = true\n\
         [storage.cloud]\nkind = \"csi\"\nprovisioner = \"sandbox.tsinfra.dev\"\nreclaim = \"delete\"\n\
         [cluster.{cluster}]\nengine = \"iotdb\"\nversion = \"2.0.5\"\nprotect = false\n\
         [cluster.{cluster}.iotdb]\nschema_replication = 1\ndata_replication = 1\n\
         [cluster.{cluster}.pool.config]\nrole = \"control\"\nnodes = 1\n\
         storage = {{ tier = \"cloud\", size = \"5Gi\" }}\n"
    );
    for pool in pools {
        text += &format!(
            "[cluster.{cluster}.pool.{pool}]\nrole = \"mixed\"\nnodes = 1\n\
             storage = {{ tier = \"cloud\", size = \"5Gi\" }}\n"
        );
    }
    stack(&(text + more))
}

fn moved(from: &str, to: &str) -> String {
    format!("[[moved]]\nfrom = \"{from}\"\nto = \"{to}\"\n")
}

#[test]
fn the_plan_says_what_has_moved_and_users_go_by_the_new_names() {
    let world = Watched::over(sandbox(), &told("alpha", &["hot"], ""));
    apply_all(&world, &told("alpha", &["hot"], ""));
    let blocks = moved("cluster.alpha", "cluster.omega")
        + &moved("cluster.alpha.pool.hot", "cluster.omega.pool.glow");
    let renamed = told("omega", &["glow"], &blocks);
    let made = plan(&world, &renamed);
    let expected = [
        Move { from: address("cluster.alpha"), to: address("cluster.omega") },
        Move { from: address("cluster.alpha.pool.hot"), to: address("cluster.omega.pool.glow") },
    ];
    assert_eq!(made.moved, expected);
    apply_all(&world, &renamed);
    let part = |text: &str| {
        let selection = Selection { targets: vec![text.parse().unwrap()], excludes: Vec::new() };
        let scaled = told("omega", &["glow", "new"], "");
        let request =
            Request { stack: &scaled, digest: "of-a-test", purpose: Purpose::Apply, consents: &[] };
        block_on(survey::part(&world, &request, &selection))
    };
    assert!(part("cluster.omega.pool.glow").unwrap().steps.is_empty());
    let new = part("cluster.omega.pool.new").unwrap();
    let made = new.steps.values().filter_map(|step| match &step.action {
        Action::Create { object, .. } => Some(object.name.as_str()),
        _ => None,
    });
    assert_eq!(made.collect::<BTreeSet<&str>>(), BTreeSet::from(["alpha-new"]));
    assert!(part("cluster.alpha.pool.hot").is_err());
    // Consent is given by the name that is in the file.
    let gone = stack(
        "[stack]\nname = \"plant\"\nnamespace = \"tsdb\"\n[target]\nsandbox = true\n\
         [storage.cloud]\nkind = \"csi\"\nprovisioner = \"sandbox.tsinfra.dev\"\nreclaim = \"delete\"\n",
    );
    assert_eq!(rules(&plan(&world, &gone)), [("consent", "cluster.omega")]);
    let consents = ["cluster.omega".to_owned()];
    let down = plan_for(&world, &gone, Purpose::Apply, &consents);
    assert!(run(&world, &down).is_complete(&down), "{down:#?}");
    assert_eq!(uids(&world.sandbox).keys().filter(|key| key.contains("alpha")).count(), 0);
    assert_safe(&world);
}

#[test]
fn a_name_that_moved_away_is_not_given_to_another_part() {
    let world = Watched::over(sandbox(), &told("alpha", &["hot"], ""));
    apply_all(&world, &told("alpha", &["hot"], ""));
    apply_all(
        &world,
        &told("alpha", &["glow"], &moved("cluster.alpha.pool.hot", "cluster.alpha.pool.glow")),
    );
    let again = plan(&world, &told("alpha", &["glow", "hot"], ""));
    assert_eq!(rules(&again), [("moved", "cluster.alpha.pool.hot")]);
    assert!(again.changes.is_empty(), "{again:#?}");
    // Composed names meet, too: `alpha` and `b-hot`, `alpha-b` and `hot`.
    let renamed = told("omega", &["glow"], &moved("cluster.alpha", "cluster.omega"));
    apply_all(&world, &renamed);
    let mut two = told("omega", &["glow"], "");
    two.clusters.insert("alpha".to_owned(), told("alpha", &["b"], "").clusters["alpha"].clone());
    assert_eq!(rules(&plan(&world, &two)), [("moved", "cluster.alpha")]);
    let long = format!("p{}", "o".repeat(47));
    let too_long = told("o", &["glow", &long], &moved("cluster.omega", "cluster.o"));
    assert_eq!(
        rules(&plan(&world, &too_long)),
        [("moved", format!("cluster.o.pool.{long}").as_str())]
    );
    assert_safe(&world);
}

#[test]
fn two_parts_that_are_there_do_not_become_one() {
    let both = told("alpha", &["hot", "warm"], "");
    let world = Watched::over(sandbox(), &both);
    apply_all(&world, &both);
    let one = told("alpha", &["warm"], &moved("cluster.alpha.pool.hot", "cluster.alpha.pool.warm"));
    let made = plan(&world, &one);
    assert!(rules(&made).contains(&("moved", "cluster.alpha.pool.warm")), "{:?}", made.blocked);
    assert_safe(&world);
}

#[test]
fn moves_lead_on_from_one_another_and_those_of_nothing_do_nothing() {
    let world = Watched::over(sandbox(), &told("alpha", &["hot"], ""));
    apply_all(&world, &told("alpha", &["hot"], ""));
    let before = uids(&world.sandbox);
    let chain = moved("cluster.alpha.pool.hot", "cluster.alpha.pool.warm")
        + &moved("cluster.alpha.pool.warm", "cluster.alpha.pool.glow")
        + &moved("storage.never", "storage.cloud")
        + &moved("cluster.nobody", "cluster.alpha");
    let renamed = told("alpha", &["glow"], &chain);
    let made = apply_all(&world, &renamed);
    assert_eq!(made.moved.len(), 1, "{:?}", made.moved);
    assert_eq!(uids(&world.sandbox), before);
    assert_settled(&world, &renamed);
    assert_safe(&world);
}

#[test]
fn a_part_of_a_plan_that_leaves_the_renamed_out_does_not_forget_them() {
    let before = told("alpha", &["hot", "warm"], "");
    let world = Watched::over(sandbox(), &before);
    apply_all(&world, &before);
    let uids_before = uids(&world.sandbox);
    let blocks = moved("cluster.alpha.pool.hot", "cluster.alpha.pool.glow")
        + &moved("cluster.alpha.pool.warm", "cluster.alpha.pool.mild");
    let renamed = told("alpha", &["glow", "mild"], &blocks);
    let selection = Selection {
        targets: vec!["cluster.alpha.pool.glow".parse().unwrap()],
        excludes: Vec::new(),
    };
    let request =
        Request { stack: &renamed, digest: "of-a-test", purpose: Purpose::Apply, consents: &[] };
    let part = block_on(survey::part(&world, &request, &selection)).unwrap();
    let acts = part.steps.values().filter(|step| step.action != Action::Await);
    assert_eq!(acts.count(), 1, "{:#?}", part.steps);
    assert!(run(&world, &part).is_complete(&part));
    apply_all(&world, &renamed);
    assert_eq!(uids(&world.sandbox), uids_before);
    assert_settled(&world, &told("alpha", &["glow", "mild"], ""));
    assert_safe(&world);
}
