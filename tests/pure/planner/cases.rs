//! Told cases: a stack, what was before it, and the plan as its reader sees it, as golden texts.
//!
//! A folder of `cases/` holds `stack.toml`, what was applied before (`before.toml`, where it is not
//! the same stack), and the golden `plan.txt`; `UPDATE_GOLDEN=1` writes the goldens anew. Read the
//! difference as a colleague on call would.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tsinfra::plan::selection::Selection;
use tsinfra::sandbox::Cluster;
use tsinfra::world::World as _;

use super::mishaps::*;
use super::*;

/// A case beside its folder: what the files do not say.
struct Case {
    name: &'static str,
    /// Whether a stack was applied before.
    applied: bool,
    /// What happens to the world behind tsinfra's back.
    trouble: fn(&Sandbox, &Stack),
    purpose: Purpose,
    consents: &'static [&'static str],
    /// What `--target` and `--exclude` name.
    selection: [&'static [&'static str]; 2],
    /// Goldens beside `plan.txt`.
    more: &'static [&'static str],
}

const fn case(name: &'static str) -> Case {
    Case {
        name,
        applied: true,
        trouble: |_, _| {},
        purpose: Purpose::Apply,
        consents: &[],
        selection: [&[], &[]],
        more: &[],
    }
}

impl Case {
    const fn first(mut self) -> Self {
        self.applied = false;
        self
    }

    const fn destroy(mut self) -> Self {
        self.purpose = Purpose::Destroy;
        self
    }

    const fn adopt(mut self) -> Self {
        self.purpose = Purpose::Adopt;
        self
    }

    const fn forget(mut self, addresses: &'static [&'static str]) -> Self {
        self.purpose = Purpose::Forget;
        self.selection[0] = addresses;
        self
    }

    const fn refresh(mut self) -> Self {
        self.purpose = Purpose::Refresh;
        self
    }

    const fn trouble(mut self, trouble: fn(&Sandbox, &Stack)) -> Self {
        self.trouble = trouble;
        self
    }

    const fn consents(mut self, consents: &'static [&'static str]) -> Self {
        self.consents = consents;
        self
    }

    const fn target(mut self, addresses: &'static [&'static str]) -> Self {
        self.selection[0] = addresses;
        self
    }

    const fn exclude(mut self, addresses: &'static [&'static str]) -> Self {
        self.selection[1] = addresses;
        self
    }

    const fn more(mut self, more: &'static [&'static str]) -> Self {
        self.more = more;
        self
    }
}

const CASES: [Case; 102] = [
    case("first-apply").first().more(&["plan.json", "graph.dot"]),
    case("first-apply-local").first(),
    case("interrupted-bring-up").first().trouble(config_nodes_only),
    case("no-changes"),
    case("record-lost").trouble(record_deleted),
    case("raise-nodes"),
    case("raise-nodes-with-data").trouble(a_year_of_data).more(&["plan.json"]),
    case("local-raise-nodes"),
    case("change-resources"),
    case("change-image-version"),
    case("expose-node-port"),
    case("drift-by-kubectl").trouble(edited_by_hand).more(&["plan.json"]),
    case("scaled-by-hand").trouble(scaled_by_hand),
    case("drift-and-change").trouble(scaled_by_hand).more(&["plan.json"]),
    case("lost-and-replaced").trouble(lost_and_replaced),
    case("refresh-only").refresh().trouble(lost_and_replaced).more(&["plan.json"]),
    case("conflict-with-controller").trouble(written_by_a_controller),
    case("conflict-consented")
        .trouble(written_by_a_controller)
        .consents(&["PodDisruptionBudget/tsdb/history-storing"]),
    case("scale-in").more(&["plan.json"]),
    case("scale-in-with-data").trouble(a_year_of_data).more(&["plan.json"]),
    case("scale-in-local"),
    case("scale-in-interrupted").trouble(left_and_shrunk),
    case("scale-in-refused"),
    case("scale-in-silent").trouble(silent),
    case("pool-removed"),
    case("pool-removed-interrupted").trouble(one_of_the_pool_has_left),
    case("pool-removed-refused").trouble(silent),
    case("pool-exchanged").more(&["plan.json"]),
    case("roles-refused").first(),
    case("scale-out-split-refused"),
    case("member-lost").trouble(a_machine_gone_for_good),
    case("replace").trouble(a_machine_gone_for_good).consents(&LOST).more(&["plan.json"]),
    case("replace-with-one-more").trouble(a_machine_gone_for_good).consents(&LOST),
    case("replace-refused").trouble(a_machine_gone_for_good).consents(&LOST),
    case("replace-begun").trouble(a_lost_member_was_given_up).consents(&LOST),
    case("grow").more(&["plan.json"]),
    case("grow-and-raise-nodes"),
    case("grow-class-cannot"),
    case("grow-and-restart-refused"),
    case("grow-interrupted").trouble(stopped_once_the_set_is_gone),
    case("grow-interrupted-fewer-nodes").trouble(set_taken_away),
    case("grow-interrupted-destroy").destroy().trouble(set_taken_away),
    case("grow-claims-left-small").trouble(set_made_anew_over_small_claims),
    case("claim-larger-by-hand").trouble(claim_grown_by_hand),
    case("shrink-refused"),
    case("immutable-replication"),
    case("immutable-class"),
    case("class-missing").first(),
    case("class-policy-mismatch").first().trouble(class_that_deletes),
    case("stranger-object").first().trouble(strangers_service),
    case("claim-of-a-stranger").first().trouble(strangers_claim),
    case("directory-of-another").first().trouble(directories_taken),
    case("own-directory"),
    case("members-share-a-machine"),
    case("kept-claims").trouble(destroyed),
    case("kept-claims-refused").trouble(destroyed),
    case("kept-claims-of-another-pool").trouble(destroyed),
    case("node-missing").first().trouble(node_gone_and_one_cordoned),
    case("prepare-create").first().more(&["plan.json"]),
    case("prepare-expect").first(),
    case("prepare-one-more"),
    case("prepare-interrupted").first().trouble(helpers_left_over),
    case("prepare-forbidden").first().trouble(namespace_admits_little),
    case("destroy-with-a-helper-left")
        .destroy()
        .consents(&["cluster.history"])
        .trouble(one_helper_left),
    case("wal-first-apply").first(),
    case("wal-scale-in"),
    case("wal-grow"),
    case("wal-added-refused"),
    case("wal-not-together"),
    case("wal-replace").trouble(a_machine_gone_for_good).consents(&LOST),
    case("wal-half-refused").trouble(destroyed_and_a_log_lost),
    case("wal-half-with-its-set").trouble(scaled_and_a_log_lost),
    case("wal-dropped-refused").trouble(destroyed),
    case("wal-added-to-kept-claims").trouble(destroyed),
    case("wal-destroy-retain").destroy(),
    case("volume-released").trouble(claim_lost_with_its_pod),
    case("recycle-refused").trouble(destroyed_with_its_claims),
    case("recycle-consented")
        .trouble(destroyed_with_its_claims)
        .consents(&RELEASED)
        .more(&["plan.json"]),
    case("recycle-listed").trouble(claim_lost_with_its_pod),
    case("stale-claims").trouble(claim_left_over),
    case("claims-without-their-founders").trouble(founders_lost),
    case("identity-changed").trouble(another_identity),
    case("member-away-blocks-restart").trouble(|sandbox, _| lose(sandbox, "history-data-0")),
    case("broken-member-restart-allowed").trouble(|sandbox, _| lose(sandbox, "history-data-2")),
    case("cluster-removed"),
    case("cluster-removed-consented").consents(&["cluster.events"]),
    case("renamed").more(&["plan.json"]),
    case("renamed-onto-another"),
    case("adopt").adopt().trouble(labels_lost).more(&["plan.json"]),
    case("adopt-refused").first().adopt().trouble(strangers_set),
    case("forget").forget(&["cluster.events"]).more(&["plan.json"]),
    case("target-one-cluster").first().target(&["cluster.events"]).more(&["plan.json"]),
    case("exclude-what-is-refused").exclude(&["cluster.events"]),
    case("protected-destroy").destroy(),
    case("consented-destroy").destroy().consents(&["cluster.history"]),
    case("destroy-retain").destroy(),
    case("destroy-delete").destroy(),
    case("destroy-interrupted").destroy().trouble(data_nodes_told_to_stop),
    case("destroy-before-the-purge").destroy().trouble(claims_gone),
    case("apply-after-the-holds").trouble(volumes_held),
    case("apply-before-the-purge").trouble(claims_gone),
    case("destroy-of-a-volume-set-to-retain").destroy().trouble(volume_set_to_retain),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pure/planner/cases")
}

/// Worlds after the first apply of a stack, by its text: many cases begin with the same.
type Beginnings = BTreeMap<String, Cluster>;

/// The plan of a case.
fn plan_of(case: &Case, beginnings: &mut Beginnings) -> Plan {
    let text = |file: &str| fs::read_to_string(folder().join(case.name).join(file));
    let asked = text("stack.toml").unwrap();
    let sandbox = sandbox();
    if case.applied {
        let before = text("before.toml").unwrap_or(asked.clone());
        let beginning = beginnings.entry(before).or_insert_with_key(|before| {
            apply_all(&sandbox, &stack(before));
            rest(&sandbox, 60);
            let plan = plan_for(&sandbox, &stack(before), Purpose::Apply, &[]);
            block_on(sandbox.keep(&plan.inventory)).unwrap();
            sandbox.snapshot()
        });
        sandbox.disturb(|cluster| *cluster = beginning.clone());
    }
    let asked = stack(&asked);
    (case.trouble)(&sandbox, &asked);
    let consents: Vec<String> = case.consents.iter().map(|consent| (*consent).into()).collect();
    let [targets, excludes] = case
        .selection
        .map(|addresses| addresses.iter().map(|address| address.parse().unwrap()).collect());
    let request =
        Request { stack: &asked, digest: "of-a-test", purpose: case.purpose, consents: &consents };
    block_on(survey::part(&sandbox, &request, &Selection { targets, excludes })).unwrap()
}

/// A golden of a plan; what changes with every release is left out.
fn golden(plan: &Plan, file: &str) -> String {
    match file {
        "plan.txt" => render::plan::plan(plan, render::plan::Style::default()),
        "graph.dot" => render::graph::dot(plan),
        "plan.json" => {
            let mut value = render::json::plan(plan);
            value["tsinfra_version"] = json!("(this one)");
            serde_json::to_string_pretty(&value).unwrap() + "\n"
        }
        other => panic!("{other} is no golden"),
    }
}

#[test]
fn every_case_is_planned_as_its_golden_says() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let (mut differing, mut beginnings) = (Vec::new(), Beginnings::new());
    for case in &CASES {
        let plan = plan_of(case, &mut beginnings);
        for file in ["plan.txt"].iter().chain(case.more) {
            let shown = golden(&plan, file);
            let path = folder().join(case.name).join(file);
            if update {
                fs::write(&path, &shown).unwrap();
            } else if fs::read_to_string(&path).ok().as_deref() != Some(&shown) {
                differing.push(format!("--- {}/{file}\n{shown}", case.name));
            }
        }
    }
    assert!(differing.is_empty(), "not as the goldens say:\n{}", differing.join("\n"));
}

#[test]
fn every_folder_is_a_case_and_every_text_fits_a_screen() {
    let found: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(found, CASES.iter().map(|case| case.name.to_owned()).collect());
    for name in found {
        let text = fs::read_to_string(folder().join(&name).join("plan.txt")).unwrap();
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{name}: {line}");
            assert!(line.chars().all(|c| !c.is_control()), "{name}: {line:?}");
        }
    }
}
