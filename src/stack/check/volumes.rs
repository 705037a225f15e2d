//! Tiers and the pools that use them: declared, each directory once, enough volumes, large enough.

use std::collections::BTreeMap;
use std::ops::Range;

use db_engine::cluster::Content;

use crate::stack::diagnostics::{Mistake, quoted};
use crate::stack::findings::Findings;
use crate::stack::model::{
    Cluster, LocalVolume, Pool, Prepare, Recycle, Stack, Storage, TierKind, is_within,
};
use crate::stack::nearest::nearest;
use crate::stack::quantity::Quantity;

/// Checks tiers against each other and against the pools.
pub(super) fn check(stack: &Stack, found: &mut Findings) {
    let users = users(stack, found);
    declared(stack, found);
    directories(stack, found);
    patterns(stack, found);
    allowed(stack, found);
    bounded(stack, found);
    for (name, tier) in &stack.storage {
        let users = users.get(name.as_str()).map_or(&[][..], Vec::as_slice);
        match &tier.kind {
            TierKind::Local(volumes) if found.sound(&["storage", name, "volumes"]) => {
                enough(users, name, volumes, found);
            }
            TierKind::LocalOnNodes { capacity, .. }
                if found.sound(&["storage", name, "capacity"]) =>
            {
                large_enough(users, name, *capacity, found);
            }
            _ => {}
        }
    }
}

/// A pool whose members have each a volume of a tier.
pub(super) struct User<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) pool: &'a Pool,
    pub(super) content: Content,
    pub(super) storage: &'a Storage,
}

impl<'a> User<'a> {
    /// Every volume the members of a stack's pools have.
    pub(super) fn all(stack: &'a Stack) -> impl Iterator<Item = Self> {
        let pools = stack
            .clusters
            .values()
            .flat_map(|cluster| cluster.pools.values().map(move |pool| (cluster, pool)));
        pools.flat_map(|(cluster, pool)| {
            let volumes = pool.storage();
            volumes.map(move |(content, storage)| Self { cluster, pool, content, storage })
        })
    }

    /// Where the stack says something of the pool.
    pub(super) fn of_pool(&self, key: &'a str) -> Vec<&'a str> {
        vec!["cluster", &self.cluster.name, "pool", &self.pool.name, key]
    }

    /// Where it says what volume it is.
    pub(super) fn volume(&self) -> Vec<&'a str> {
        let mut place = self.of_pool("storage");
        place.extend((self.content != Content::Data).then(|| self.content.word()));
        place
    }

    /// Where it says something of the volume.
    pub(super) fn place(&self, key: &'a str) -> Vec<&'a str> {
        let mut place = self.volume();
        place.push(key);
        place
    }

    /// The volume of the data of the same members.
    pub(super) fn of_data(&self) -> Self {
        Self { content: Content::Data, storage: &self.pool.data, ..*self }
    }

    fn size(&self) -> Quantity {
        self.storage.size
    }

    fn nodes(&self) -> usize {
        self.pool.nodes as usize
    }
}

/// The pools of each tier whose storage and number of members were read without a mistake.
fn users<'a>(stack: &'a Stack, found: &Findings) -> BTreeMap<&'a str, Vec<User<'a>>> {
    let mut users: BTreeMap<&str, Vec<User<'_>>> = BTreeMap::new();
    for user in User::all(stack) {
        if found.sound(&user.of_pool("storage")) && found.sound(&user.of_pool("nodes")) {
            users.entry(&user.storage.tier).or_default().push(user);
        }
    }
    users
}

fn declared(stack: &Stack, found: &mut Findings) {
    if !found.reached(&["storage"]) {
        return;
    }
    let names: Vec<&str> = stack.storage.keys().take(NAMES_MAX).map(String::as_str).collect();
    let known = match names.as_slice() {
        [] => "The stack declares no tier".to_owned(),
        names => {
            let list: Vec<String> = names.iter().map(|tier| quoted(tier)).collect();
            let more = if stack.storage.len() > names.len() { " and more" } else { "" };
            format!("The stack declares {}{more}", list.join(", "))
        }
    };
    for user in User::all(stack) {
        let (tier, path) = (&user.storage.tier, user.place("tier"));
        if stack.storage.contains_key(tier) || !found.sound(&path) {
            continue;
        }
        let help = match nearest(tier, names.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("declare it as {}.", quoted(&format!("[storage.{tier}]"))),
        };
        let mistake = Mistake::new(format!("storage tier {} is not declared", quoted(tier)))
            .label(found.value(&path), "used here")
            .help(format!("{help} {known}"));
        found.unfit(mistake);
    }
}

/// Names of tiers a message lists.
const NAMES_MAX: usize = 20;

/// One directory of a node holds the data of one member, and no other's directory.
fn directories(stack: &Stack, found: &mut Findings) {
    let mut seen: BTreeMap<&str, Vec<Declared<'_>>> = BTreeMap::new();
    for (name, tier) in &stack.storage {
        let TierKind::Local(volumes) = &tier.kind else {
            continue;
        };
        for (index, volume) in volumes.iter().enumerate() {
            if !found.sound(&["storage", name, "volumes", &index.to_string()]) {
                continue;
            }
            let here = Declared { path: &volume.path, tier: name, index };
            let of_node = seen.entry(&volume.node).or_default();
            match of_node.iter().find(|there| there.overlaps(&here)) {
                Some(there) => one_directory(there, &here, &volume.node, found),
                None => of_node.push(here),
            }
        }
    }
}

/// A volume of a tier, by its place in the tier's list.
struct Declared<'a> {
    path: &'a str,
    tier: &'a str,
    index: usize,
}

impl Declared<'_> {
    fn overlaps(&self, other: &Self) -> bool {
        is_within(self.path, other.path) || is_within(other.path, self.path)
    }
}

fn one_directory(there: &Declared<'_>, here: &Declared<'_>, node: &str, found: &mut Findings) {
    let place = |one: &Declared<'_>| place(one.tier, one.index, found);
    let (path, node) = (quoted(here.path), quoted(node));
    let mistake = if here.path == there.path {
        Mistake::new(format!("{path} of node {node} is declared twice"))
            .label(place(here), "again here")
            .label(place(there), "first here")
            .help("two members would write into one directory; give each volume its own")
    } else {
        let other = quoted(there.path);
        Mistake::new(format!("{path} and {other} of node {node} are one inside the other"))
            .label(place(here), "this one")
            .label(place(there), "and this one")
            .help("a member would write into another's directory; put them side by side")
    };
    found.unfit(mistake);
}

/// Two tiers that name the same directories of the same nodes would hand each out twice.
fn patterns(stack: &Stack, found: &mut Findings) {
    let mut seen = BTreeMap::new();
    for (name, tier) in &stack.storage {
        let TierKind::LocalOnNodes { labels, path, .. } = &tier.kind else {
            continue;
        };
        if !found.sound(&["storage", name]) {
            continue;
        }
        if let Some(first) = seen.insert((labels, path), name) {
            let place = |tier: &str| found.value(&["storage", tier, "path"]);
            let message = format!("tiers `{first}` and `{name}` offer the same directories");
            let mistake = Mistake::new(message)
                .label(place(name), "again here")
                .label(place(first), "first here")
                .help("two members would write into one directory; give each tier its own");
            found.unfit(mistake);
        }
    }
}

/// Local volumes are inside the directories the stack allows, if it names any.
fn allowed(stack: &Stack, found: &mut Findings) {
    if stack.paths.is_empty() || !found.sound(&["stack", "paths"]) {
        return;
    }
    for (name, tier) in &stack.storage {
        match &tier.kind {
            TierKind::Local(volumes) => {
                for (index, volume) in volumes.iter().enumerate() {
                    let index = index.to_string();
                    let place = ["storage", name, "volumes", &index, "path"];
                    is_allowed(stack, &volume.path, &place, found);
                }
            }
            TierKind::LocalOnNodes { path, .. } => {
                is_allowed(stack, path, &["storage", name, "path"], found);
            }
            TierKind::Csi { .. } | TierKind::CsiClass { .. } => {}
        }
    }
}

/// What makes or clears directories on nodes must be told where: a slip of the pen in one path would else
/// be made, or cleared, as root, anywhere.
fn bounded(stack: &Stack, found: &mut Findings) {
    if !stack.paths.is_empty() || !found.sound(&["stack", "paths"]) {
        return;
    }
    for (name, tier) in &stack.storage {
        let makes =
            ("prepare", "makes", "prepare = \"expect\"", tier.prepare == Some(Prepare::Create));
        let clears = ("recycle", "clears", "recycle = \"manual\"", tier.recycle == Recycle::Scrub);
        for (key, verb, instead, does) in [makes, clears] {
            let place = ["storage", name, key];
            if !does || !found.sound(&place) {
                continue;
            }
            let name = quoted(name);
            let mistake = Mistake::new(format!(
                "tier {name} {verb} its directories, and the stack does not say where it may be"
            ))
            .label(found.value(&place), format!("{verb} directories"))
            .help(format!(
                "name the directories inside which they must be, such as `paths = [\"/mnt/disks\"]` \
                 in `[stack]`; or write `{instead}`, which does nothing to them"
            ));
            found.unfit(mistake);
        }
    }
}

fn is_allowed(stack: &Stack, path: &str, place: &[&str], found: &mut Findings) {
    if !found.sound(place) || stack.paths.iter().any(|outer| is_within(outer, path)) {
        return;
    }
    let message = format!("{} is not inside a directory the stack allows", quoted(path));
    let mistake = Mistake::new(message)
        .label(found.value(place), "outside")
        .label(found.value(&["stack", "paths"]), "allowed here")
        .help("choose a directory inside one of `paths`, or allow this one there");
    found.unfit(mistake);
}

/// Where the entry of one volume stands.
fn place(tier: &str, index: usize, found: &Findings) -> Range<usize> {
    found.value(&["storage", tier, "volumes", &index.to_string()])
}

fn enough(users: &[User<'_>], tier: &str, volumes: &[LocalVolume], found: &mut Findings) {
    let asked: usize = users.iter().map(User::nodes).sum();
    if asked > volumes.len() {
        too_few(tier, volumes.len(), asked, users, found);
        return;
    }
    // Members that need much come first; each size must find enough volumes of that size or more.
    let mut sizes: Vec<Quantity> = users.iter().map(User::size).collect();
    sizes.sort_unstable();
    sizes.dedup();
    for size in sizes.into_iter().rev() {
        let fitting = volumes.iter().filter(|volume| volume.capacity >= size).count();
        let asking: usize = users.iter().filter(|it| it.size() >= size).map(User::nodes).sum();
        if asking <= fitting {
            continue;
        }
        let Some(user) = users.iter().find(|it| it.size() == size) else { continue };
        let tier_name = quoted(tier);
        let message = format!(
            "{} for {size} or more, but tier {tier_name} has {} that large",
            count(asking, "member asks", "members ask"),
            if fitting == 0 { "no volume".to_owned() } else { count(fitting, "volume", "volumes") },
        );
        let mistake = Mistake::new(message)
            .label(found.value(&user.place("size")), "asked for here")
            .label(found.value(&["storage", tier, "volumes"]), "volumes declared here")
            .help("ask for less, or declare larger volumes");
        found.unfit(mistake);
        return;
    }
}

fn too_few(tier: &str, volumes: usize, asked: usize, users: &[User<'_>], found: &mut Findings) {
    let has = count(volumes, "volume", "volumes");
    let is_beside = users.iter().any(|user| user.content != Content::Data);
    let (message, help) = match is_beside {
        false => (
            format!("tier {} has {has} for {}", quoted(tier), count(asked, "member", "members")),
            "each member needs a volume of its own: declare more, or lower `nodes`",
        ),
        true => (
            format!("tier {} has {has}, and its members need {asked}", quoted(tier)),
            "each member needs one for each thing it keeps on this tier: declare more, or lower `nodes`",
        ),
    };
    let mut mistake = Mistake::new(message);
    for user in users.iter().take(PLACES_MAX) {
        let members = count(user.nodes(), "member", "members");
        mistake = match user.content {
            Content::Data => mistake.label(found.value(&user.of_pool("nodes")), members),
            other => {
                let place = found.value(&user.place("tier"));
                mistake.label(place, format!("{} for {members}", other.title()))
            }
        };
    }
    let declared = found.value(&["storage", tier, "volumes"]);
    found.unfit(mistake.label(declared, has).help(help));
}

/// Places a mistake shows; the rest is told by its numbers.
const PLACES_MAX: usize = 4;

fn large_enough(users: &[User<'_>], tier: &str, capacity: Quantity, found: &mut Findings) {
    for user in users {
        if user.size() > capacity {
            let name = quoted(tier);
            let message =
                format!("each volume of tier {name} is {capacity}, less than {}", user.size());
            let mistake = Mistake::new(message)
                .label(found.value(&user.place("size")), "asked for here")
                .label(found.value(&["storage", tier, "capacity"]), "declared here")
                .help("ask for less, or declare larger volumes");
            found.unfit(mistake);
        }
    }
}

/// A number with its word.
fn count(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}
