//! Clusters to place on: seeded, three replicas a group, as many on each old member, sizes equal or lognormal.

use db_engine::placement::layout::{Group, Kind, Layout, Member, Replica};

use crate::meter::Random;

/// What a cluster is like.
#[derive(Clone, Copy)]
pub(crate) struct Instance {
    /// Members that hold replicas.
    pub(crate) old: u32,
    /// Members that hold none yet.
    pub(crate) new: u32,
    pub(crate) groups: u32,
    /// σ of the logarithm of sizes; 0 for equal ones.
    pub(crate) sigma: f64,
    /// Zones, with a replica of each group in three of them; 1 for no zones.
    pub(crate) zones: u32,
    pub(crate) databases: u32,
}

/// The size replicas have in the middle: 1 GiB.
const MEDIAN: f64 = (1_u64 << 30) as f64;

impl Instance {
    /// The cluster, the same each time.
    pub(crate) fn layout(&self) -> Layout {
        let plain = |place: u32| Member { zone: place % self.zones, ..Member::plain(place) };
        let mut layout = Layout::of((0..self.old + self.new).map(plain).collect());
        layout.reserve(self.groups as usize, self.groups as usize * 3);
        let mut random = Random(u64::from(self.groups) + u64::from(self.zones));
        let mut left: Vec<Vec<u32>> = vec![Vec::new(); self.zones as usize];
        for place in 0..self.groups {
            let holders = self.holders(&mut random, &mut left);
            let bytes = if self.sigma > 0.0 { random.lognormal(self.sigma) } else { MEDIAN };
            let replicas = holders.map(|member| Replica { member, bytes: bytes as u64 });
            let leader = Some(holders[(random.next() % 3) as usize]);
            let (kind, load) = (Kind::Data, 1);
            let group = Group { kind, database: place % self.databases, load, leader };
            layout.push(group, &replicas).expect("holders are drawn once");
        }
        layout
    }

    fn holders(&self, random: &mut Random, left: &mut [Vec<u32>]) -> [u32; 3] {
        let mut holders = [0; 3];
        let first = random.next() % u64::from(self.zones);
        for at in 0..3 {
            let zone = ((first + at as u64) % u64::from(self.zones)) as usize;
            // The last few of a lap may all be holders already: then some of the next lap.
            let member = (0..8).find_map(|_| {
                let lap = (0..self.old).filter(|it| (it % self.zones) as usize == zone);
                let member = random.draw(&mut left[zone], || lap.collect());
                let is_new = !holders[..at].contains(&member);
                if !is_new {
                    left[zone].push(member);
                }
                is_new.then_some(member)
            });
            holders[at] = member.unwrap_or_else(|| {
                let of_zone = (0..self.old).filter(|it| (it % self.zones) as usize == zone);
                let mut free = of_zone.filter(|it| !holders[..at].contains(it));
                free.next().expect("more members than replicas")
            });
        }
        holders
    }
}

impl Random {
    /// A size whose logarithm is normal (Box and Muller 1958).
    fn lognormal(&mut self, sigma: f64) -> f64 {
        let mut unit = || (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        let (radius, angle) = (unit().max(f64::MIN_POSITIVE), unit());
        let normal = (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos();
        MEDIAN * (sigma * normal).exp()
    }
}
