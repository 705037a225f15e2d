//! When a helper has done its work, why it has not, and what to do where it failed.

use super::*;

fn job() -> ObjectKey {
    key(Kind::Job, "prepare-ssd-worker-1-0a")
}

/// A helper with these conditions, and one pod of it.
fn seen(conditions: Value, pod_status: Option<Value>) -> Observed {
    let mut seen = Observed::default();
    let template = json!({ "spec": {
        "nodeSelector": { "kubernetes.io/hostname": "worker-1" },
        "volumes": [{ "name": "directory", "hostPath": { "path": "/mnt/ssd" } }],
    }});
    let status = json!({ "conditions": conditions });
    put(
        &mut seen,
        Kind::Job,
        &job().name,
        json!({
            "metadata": { "labels": { "tsinfra.dev/task": "prepare" } },
            "spec": { "template": template }, "status": status,
        }),
    );
    if let Some(status) = pod_status {
        let labels = json!({ "batch.kubernetes.io/job-name": job().name });
        let pod = json!({ "metadata": { "labels": labels }, "status": status });
        put(&mut seen, Kind::Pod, "prepare-ssd-worker-1-0a-x1y2z", pod);
    }
    seen
}

fn judged(seen: &Observed) -> Progress {
    judge(&Until::Finished { object: job() }, seen)
}

fn warn(seen: &mut Observed, (kind, name): (&str, &str), reason: &str, message: &str) {
    let [kind, name, reason, message] = [kind, name, reason, message].map(str::to_owned);
    seen.events.push(EventNote { kind, name, reason, message });
}

fn failed() -> Value {
    json!([{
        "type": "Failed", "status": "True", "reason": "DeadlineExceeded",
        "message": "Job was active longer than specified deadline",
    }])
}

fn told(seen: &Observed) -> String {
    match judged(seen) {
        Progress::Failed(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_a_job_that_is_complete_has_done_its_work() {
    let complete = |status: &str| json!([{ "type": "Complete", "status": status }]);
    assert_eq!(judged(&seen(complete("True"), None)), Progress::Done);
    let going = Progress::Going { done: 0, of: 1, why: Vec::new() };
    assert_eq!(judged(&seen(complete("False"), None)), going);
    // Kubernetes says so a moment before it is.
    let soon = json!([{ "type": "SuccessCriteriaMet", "status": "True" }]);
    assert_eq!(judged(&seen(soon, None)), going);
    assert_eq!(
        told(&Observed::default()),
        "Job/tsdb/prepare-ssd-worker-1-0a is gone, and nobody knows whether it did its work"
    );
}

#[test]
fn a_helper_under_way_says_what_keeps_it() {
    let mut seen = seen(json!([]), None);
    let refused = "(combined from similar events): Error creating: pods \"prepare-ssd-worker-1-0a-x\" \
                   is forbidden: violates PodSecurity \"baseline:latest\"";
    warn(&mut seen, ("Job", "prepare-ssd-worker-1-0a"), "FailedCreate", refused);
    let Progress::Going { why, .. } = judged(&seen) else { panic!("{:?}", judged(&seen)) };
    let said = "FailedCreate: Error creating: pods \"prepare-ssd-worker-1-0a-x\" is forbidden: violates \
                PodSecurity \"baseline:latest\"";
    assert_eq!(why, [said]);

    let labels = json!({ "batch.kubernetes.io/job-name": job().name });
    put(
        &mut seen,
        Kind::Pod,
        "prepare-ssd-worker-1-0a-x1y2z",
        json!({ "metadata": { "labels": labels } }),
    );
    let check = "hostPath type check failed: /mnt/ssd is not a directory";
    warn(&mut seen, ("Pod", "prepare-ssd-worker-1-0a-x1y2z"), "FailedMount", check);
    let Progress::Going { why, .. } = judged(&seen) else { panic!("{:?}", judged(&seen)) };
    assert_eq!(why, [format!("prepare-ssd-worker-1-0a-x1y2z: FailedMount: {check}")]);
}

#[test]
fn a_failure_is_of_the_directory_only_where_somebody_looked_at_it() {
    let ended = |message: Value| {
        json!({ "containerStatuses": [
            { "state": { "terminated": { "exitCode": 1, "message": message } } },
        ]})
    };
    let unfit = "/mnt/ssd on worker-1 is not fit for a volume: ";
    let unseen = "nobody could look at /mnt/ssd on worker-1: ";
    let words = told(&seen(failed(), Some(ended("it is not empty: it holds system\n".into()))));
    assert!(words.starts_with(&format!("{unfit}it is not empty: it holds system. See")), "{words}");
    let mute = told(&seen(failed(), Some(ended(Value::Null))));
    assert!(mute.starts_with(&format!("{unfit}the helper ended with exit code 1. See")), "{mute}");

    // Its pod is stopped by then; what was said of it is not.
    let mut missing = seen(failed(), None);
    let check = "hostPath type check failed: /mnt/ssd is not a directory";
    warn(&mut missing, ("Pod", "prepare-ssd-worker-1-0b-x1y2z"), "FailedMount", "of another");
    warn(&mut missing, ("Pod", "prepare-ssd-worker-1-0a-x1y2z"), "FailedMount", check);
    let missing = told(&missing);
    assert!(missing.starts_with(&format!("{unfit}FailedMount: {check}. See")), "{missing}");

    let mut unplaced = seen(failed(), None);
    let none = "0/3 nodes are available";
    warn(&mut unplaced, ("Pod", "prepare-ssd-worker-1-0a-x1y2z"), "FailedScheduling", none);
    let unplaced = told(&unplaced);
    assert!(unplaced.starts_with(&format!("{unseen}FailedScheduling: {none}. Mend")), "{unplaced}");
    let silent = told(&seen(failed(), None));
    let late = "DeadlineExceeded: Job was active longer than specified deadline";
    assert!(silent.starts_with(&format!("{unseen}{late}. Mend")), "{silent}");
}
