//! Apache IoTDB: what its members run, how they are spoken to, and a simulated cluster.

pub mod apart;
pub mod leave;
pub mod lost;
pub mod memory;
pub mod regions;
pub mod rest;
pub mod settings;
pub mod sim;
pub mod talk;
pub mod workload;

use std::collections::BTreeMap;

use crate::cluster::{ClusterSpec, Content, PoolSpec, Role};
use crate::engine::{Engine, Topology, Unfit, Unreadable};
use crate::holdings::Holdings;
use crate::statement::{Answer, Statement};
use crate::workload::Workload;

/// Apache IoTDB 2.0; what was seen to be so, and in which version, is said at each part.
#[derive(Clone, Copy, Debug, Default)]
pub struct Iotdb;

impl Engine for Iotdb {
    fn roles(&self) -> &'static [(Role, &'static str)] {
        // IoTDB has no role, tag or weight for DataNodes; the last two are kept up from outside:
        // a ReadOnly DataNode without regions is given none, and still takes reads and writes.
        &[
            (Role::Control, "ConfigNode"),
            (Role::Mixed, "DataNode"),
            (Role::Compute, "ReadOnly DataNode without regions"),
            (Role::Storage, "DataNode outside the client Service"),
        ]
    }

    fn keeps_apart(
        &self,
        role: Role,
        content: Content,
        settings: &BTreeMap<String, String>,
    ) -> Result<(), Unfit> {
        apart::check(role, content, settings)
    }

    fn workload(&self, cluster: &ClusterSpec, pool: &PoolSpec) -> Workload {
        workload::workload(cluster, pool)
    }

    fn survey(&self) -> Vec<Statement> {
        talk::survey()
    }

    fn read(&self, answers: &[Answer]) -> Result<Topology, Unreadable> {
        talk::read(answers)
    }

    fn holdings(&self) -> Vec<Statement> {
        regions::survey()
    }

    fn read_holdings(
        &self,
        answers: &[Answer],
        topology: &Topology,
    ) -> Result<Holdings, Unreadable> {
        regions::read(answers, topology)
    }

    fn leave(
        &self,
        cluster: &ClusterSpec,
        topology: &Topology,
        address: &str,
    ) -> Result<Statement, Unfit> {
        leave::statement(cluster, topology, address)
    }

    fn give_up(
        &self,
        cluster: &ClusterSpec,
        topology: &Topology,
        address: &str,
    ) -> Result<Statement, Unfit> {
        lost::statement(cluster, topology, address)
    }

    fn fixed_settings(&self) -> &'static [(&'static str, &'static str)] {
        settings::FIXED
    }

    fn reserved_settings(&self) -> &'static [(&'static str, &'static str)] {
        settings::RESERVED
    }

    fn default_login(&self) -> (&'static str, &'static str) {
        ("root", "root")
    }

    fn least_memory(&self, role: Role) -> u64 {
        memory::least(role)
    }
}
