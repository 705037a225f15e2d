//! What a sandbox full of members costs: a stack brought up, grown by a tenth, and that growth rehearsed,
//! at a hundred members and at ten thousand: `cargo bench --bench crowd`. CPU time of a member beside
//! that of a member among a hundred: 1.0 where the work grows with the members and no faster.
#![expect(clippy::print_stdout, reason = "a bench reports")]

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use tsinfra::apply;
use tsinfra::apply::hold::Claim;
use tsinfra::plan::{Plan, Purpose};
use tsinfra::rehearsal::forecast::{self, Play};
use tsinfra::sandbox::{Furniture, Sandbox};
use tsinfra::stack::Stack;
use tsinfra::survey::{self, Request};

#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Members of a pool at most.
const POOL: u32 = 1_000;

/// What is done, one after the other.
const PHASES: [&str; 4] = ["apply", "plan + 10 %", "rehearse it", "apply it"];

fn main() {
    let wanted: Vec<u32> = std::env::args().filter_map(|it| it.parse().ok()).collect();
    let sizes = if wanted.is_empty() { vec![100, 1_000, 10_000] } else { wanted };
    let head: String = PHASES.map(|phase| format!("{phase:>24}")).concat();
    println!("{:>8}{head}   CPU time, and of a member x that of the first row", "members");
    let mut first: Option<[f64; PHASES.len()]> = None;
    for members in sizes {
        let seconds = grown(members).map(|time| time.as_secs_f64());
        let each = seconds.map(|it| it / f64::from(members));
        let least = *first.get_or_insert(each);
        let cells = seconds.iter().zip(each.iter().zip(least));
        let cells =
            cells.map(|(all, (each, least))| format!("{all:>14.2} s x {:>5.1}", each / least));
        println!("{members:>8}{}", cells.collect::<String>());
    }
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("resource usage");
    println!("peak {} MiB", usage.max_rss() / 1024);
}

/// A stack of so many members is applied, and a tenth more of them is planned, rehearsed and applied.
fn grown(members: u32) -> [Duration; PHASES.len()] {
    let (small, large) = (crowd(members), crowd(members + members / 10));
    let world = Sandbox::in_memory();
    world.furnish(&Furniture::of(&large));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let (_, apply) = timed(|| {
        let plan = runtime.block_on(planned(&world, &small));
        runtime.block_on(carried_out(&world, &plan));
    });
    let (plan, planning) = timed(|| runtime.block_on(planned(&world, &large)));
    let (_, rehearsal) = timed(|| runtime.block_on(rehearsed(&world, &large, &plan)));
    let (_, growth) = timed(|| runtime.block_on(carried_out(&world, &plan)));
    [apply, planning, rehearsal, growth]
}

/// As `rehearse --quick` does it: once in peace, and once with a crash after each action.
async fn rehearsed(world: &Sandbox, stack: &Stack, plan: &Plan) {
    let seen = survey::sight(world, stack, forecast::see_more).await.expect("a look").observed;
    let play = Play { stack, purpose: Purpose::Apply, consents: &[], plan, is_quick: true };
    let forecast = forecast::rehearse(&seen, &play).await.expect("a copy like the world");
    assert!(forecast.is_sound(), "{:?}", forecast.wrong);
}

/// The quickstart's stack with so many DataNodes, in pools of a thousand.
fn crowd(members: u32) -> Stack {
    let text = include_str!("../stacks/quickstart.toml");
    let (head, tail) = text.split_once("[cluster.demo.pool.data]").expect("a pool");
    let (_, tail) = tail.split_once("[cluster.demo.expose]").expect("a service");
    let pool = |place| {
        let nodes = POOL.min(members - place * POOL);
        format!(
            "[cluster.demo.pool.data{place}]\nrole = \"mixed\"\nnodes = {nodes}\n\
             storage = {{ tier = \"disk\", size = \"20Gi\" }}\n"
        )
    };
    let pools: String = (0..members.div_ceil(POOL)).map(pool).collect();
    let text = format!("{head}{pools}[cluster.demo.expose]{tail}");
    tsinfra::stack::read("crowd.toml", &text).expect("a stack")
}

async fn planned(world: &Sandbox, stack: &Stack) -> Plan {
    let request = Request { stack, digest: "of-a-bench", purpose: Purpose::Apply, consents: &[] };
    let plan = survey::plan(world, &request).await.expect("a plan");
    assert!(plan.blocked.is_empty(), "{:?}", plan.blocked);
    plan
}

async fn carried_out(world: &Sandbox, plan: &Plan) {
    let stop = std::sync::atomic::AtomicBool::new(false);
    let claim = Claim {
        holder: "bench".to_owned(),
        purpose: "apply".to_owned(),
        patience: Duration::from_secs(60),
    };
    let outcome = apply::run(world, plan, &claim, &stop, |_| (), |_| ()).await;
    assert!(outcome.is_complete(plan), "{outcome:?}");
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let before = cpu();
    let result = work();
    (result, cpu() - before)
}

fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("resource usage");
    let micros = |time: TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    let micros = micros(usage.user_time()) + micros(usage.system_time());
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}
