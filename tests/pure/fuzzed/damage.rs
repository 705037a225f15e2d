//! A saved plan and a record that lost their end or a bit: noticed, or the same as before; never
//! less than was written.

use std::ops::Range;

use serde_json::{Value, json};
use tsinfra::inventory::{INVENTORY_FORMAT, Inventory};
use tsinfra::object::{Kind, ObjectKey};
use tsinfra::plan::step::Action;
use tsinfra::plan::{Purpose, saved};
use tsinfra::sandbox::Sandbox;
use tsinfra::survey::{self, NoPlan, Request};
use tsinfra::world::World;

use super::patience;
use super::seeds::made;
use super::targets::quickstart;

/// How many damaged forms were refused, and how many meant the same.
#[derive(Debug, Default)]
struct Tally {
    refused: usize,
    same: usize,
}

impl Tally {
    /// Reads every damaged form of some bytes: cut off at every byte, and with these bits of every
    /// byte turned, one at a time. `None`: refused; otherwise, whether it means the same.
    fn of(bytes: &[u8], bits: Range<u32>, read: impl Fn(&[u8]) -> Option<bool>) -> Self {
        let mut tally = Self::default();
        let mut note = |what: &str, at: usize, form: &[u8]| match read(form) {
            None => tally.refused += 1,
            Some(true) => tally.same += 1,
            Some(false) => panic!("{what} at byte {at} is read as something else"),
        };
        for end in 0..bytes.len() {
            note("the cut", end, &bytes[..end]);
        }
        let mut form = bytes.to_vec();
        for at in 0..bytes.len() {
            for bit in bits.clone() {
                // Over eight bytes that follow each other, every bit comes at its turn.
                let bit = (bit + at as u32) % 8;
                form[at] ^= 1 << bit;
                note("the bit turned", at, &form);
                form[at] ^= 1 << bit;
            }
        }
        tally
    }
}

#[test]
fn a_damaged_plan_is_refused_or_the_same() {
    let mut plan = made().change.clone();
    if patience().is_none() {
        // Every member stays, and one of each.
        plan.changes = plan.changes.into_iter().take(1).collect();
        plan.steps.retain(|_, step| matches!(step.action, Action::Await));
        plan.steps.values_mut().for_each(|step| step.after.clear());
        plan.inventory.items = plan.inventory.items.into_iter().take(2).collect();
    }
    let plan = &plan;
    let text = saved::text(plan).unwrap();
    let read = |bytes: &[u8]| saved::read(bytes).ok().map(|read| read == *plan);
    assert_eq!(read(text.as_bytes()), Some(true));
    let tally = Tally::of(text.as_bytes(), 0..1, read);
    println!("damaged: a plan of {} bytes, {tally:?}", text.len());
    // Only the last line end may be missing.
    assert_eq!((tally.refused, tally.same), (2 * text.len() - 1, 1));
}

#[test]
fn a_damaged_record_is_refused_or_the_same() {
    let record = &made().record;
    let whole = Inventory::from_config_map(record).unwrap();
    assert!(whole.items.len() > 5 && whole.clusters.len() == 1, "{whole:?}");
    let config_map = |text: &str| {
        let mut config_map = record.clone();
        config_map["data"]["inventory.json"] = text.into();
        config_map
    };
    let read = |bytes: &[u8]| {
        // A ConfigMap holds text: other bytes reach nobody.
        let text = std::str::from_utf8(bytes).ok()?;
        Inventory::from_config_map(&config_map(text)).ok().map(|read| read == whole)
    };
    let text = record["data"]["inventory.json"].as_str().unwrap();
    let tally = Tally::of(text.as_bytes(), 0..8, read);
    println!("damaged: a record of {} bytes, {tally:?}", text.len());
    // A bit in the name `digest` takes the seal off, and leaves the rest as it was.
    let bits = 8 * "digest".len();
    assert!(tally.same > 0 && tally.same <= bits, "{tally:?}");
    let whole_map = record.to_string();
    let read = |bytes: &[u8]| {
        let config_map: Value = serde_json::from_slice(bytes).ok()?;
        Inventory::from_config_map(&config_map).ok().map(|read| read == whole)
    };
    let tally = Tally::of(whole_map.as_bytes(), 0..1, read);
    println!("damaged: its ConfigMap of {} bytes, {tally:?}", whole_map.len());
    assert!(tally.refused > whole_map.len(), "{tally:?}");
}

/// What a record says no more must not be read as "owns nothing": then what is there would look
/// like a stranger's, or like left over.
#[test]
fn nothing_is_planned_from_a_damaged_record() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let text = made().record["data"]["inventory.json"].as_str().unwrap();
    let half = &text[..text.len() / 2];
    let edited = text.replacen("demo-data", "demo-dita", 1);
    let newer = text.replacen(&format!("\"{INVENTORY_FORMAT}\""), "\"2.0\"", 1);
    for damaged in ["", "{}", "null", half, &edited, &newer] {
        let (sandbox, stack) = (Sandbox::in_memory(), quickstart());
        let (namespace, name) = (&stack.namespace, &stack.name);
        let key = Inventory::key(namespace, name);
        let make = |key: ObjectKey, manifest| {
            let create = Action::Create { object: key, manifest };
            runtime.block_on(sandbox.perform(&create)).unwrap();
        };
        make(ObjectKey::global(Kind::Namespace, namespace), json!({}));
        make(key.clone(), made().record.clone());
        let patch = json!({ "data": { "inventory.json": damaged } });
        sandbox.disturb(|cluster| cluster.edit_as("me", &key, &patch)).unwrap();
        for purpose in [Purpose::Apply, Purpose::Destroy] {
            let request = Request { stack: &stack, digest: "d", purpose, consents: &[] };
            let end = runtime.block_on(survey::plan(&sandbox, &request));
            let Err(NoPlan::Unseen(unseen)) = end else { panic!("planned from {damaged:?}") };
            assert!(unseen.to_string().contains("ConfigMap/quickstart/"), "{unseen}");
        }
    }
}
