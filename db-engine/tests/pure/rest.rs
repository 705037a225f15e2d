//! The REST codec against recorded bytes and against arbitrary ones.

use db_engine::iotdb::rest;
use db_engine::statement::{Answer, Statement, Table};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::recorded;

#[test]
fn recorded_answers_come_back_as_they_were_sent() {
    let lines = recorded::survey().into_iter().chain(recorded::statements());
    for line in lines.chain(recorded::refusals()) {
        let Ok(answer) = rest::parse(line.http(), &line.body()) else {
            assert!(line.fields["answer"].is_null(), "{}", line.fields);
            continue;
        };
        if line.text("sql").starts_with("SELECT s") {
            // Rows of data are read, but only `SHOW` answers are ever sent by the twin.
            continue;
        }
        assert_eq!(rest::render(&answer), (line.http(), line.fields["answer"].clone()));
    }
}

#[test]
fn html_is_no_answer_and_credentials_are_a_refusal() {
    let lines = recorded::refusals();
    let html: Vec<_> = lines.iter().filter(|line| line.fields["answer"].is_null()).collect();
    assert_eq!(html.iter().map(|line| line.http()).collect::<Vec<_>>(), [500, 404]);
    for line in html {
        let odd = rest::parse(line.http(), &line.body()).unwrap_err();
        assert!(odd.to_string().contains("not a JSON object: <html>"), "{odd}");
    }
    let denied = lines.iter().filter(|line| line.http() == 401).map(recorded::Line::answer);
    let codes: Vec<i64> = denied
        .map(|answer| match answer {
            Answer::Refused { code, .. } => code,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(codes, [800, 801]);
}

#[test]
fn a_select_is_read_with_its_time() {
    let lines = recorded::refusals();
    let select = |sql: &str| lines.iter().find(|line| line.text("sql") == sql).unwrap().table();
    let two = select("SELECT s0,s1 FROM root.sg1.d0");
    assert_eq!(two.columns, ["Time", "root.sg1.d0.s0", "root.sg1.d0.s1"]);
    assert_eq!(two.rows[0], [json!(1_700_000_000_000_i64), json!(0.5), json!(0.0)]);
    assert_eq!(select("SELECT s9 FROM root.sg1.d0").rows.len(), 0);
}

#[test]
fn requests_go_to_the_door_for_their_kind_and_are_read_back() {
    for statement in [Statement::read("SHOW CLUSTER"), Statement::change("FLUSH \"x\\\n")] {
        let (path, body) = rest::request(&statement);
        assert_eq!(rest::asked(path, body.to_string().as_bytes()), Ok(statement));
    }
    let status = |path: &str, body: &str| rest::asked(path, body.as_bytes()).unwrap_err().0;
    assert_eq!(status("/rest/v2/nosuch", "{}"), 404);
    assert_eq!(status(rest::QUERY, "not json"), 500);
    let (http, body) = rest::asked(rest::QUERY, b"{}").unwrap_err();
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((http, &body["code"]), (200, &json!(305)));
}

#[test]
fn lists_that_do_not_fit_each_other_are_no_answer() {
    for body in [
        json!({"column_names": ["a", "b"], "values": [[1, 2], [3]]}),
        json!({"column_names": ["a"], "values": [[1], [2]]}),
        json!({"column_names": ["a"], "values": [1]}),
        json!({"column_names": [1], "values": []}),
        json!({"values": {}}),
        json!({"message": "code is missing"}),
        json!([]),
    ] {
        assert!(rest::parse(200, body.to_string().as_bytes()).is_err(), "{body}");
    }
    assert!(rest::parse(503, br#"{"code":200}"#).is_err(), "success under another status");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(http: u16, body: Vec<u8>) {
        let _ = rest::parse(http, &body);
        let _ = rest::asked(rest::QUERY, &body);
    }

    #[test]
    fn almost_an_answer_never_panics(
        names in prop::collection::vec(".{0,4}", 0..4),
        values in prop::collection::vec(prop::collection::vec(any::<i64>(), 0..3), 0..4),
        times in prop::option::of(prop::collection::vec(any::<i64>(), 0..3)),
        which in prop::sample::select(vec!["column_names", "expressions"]),
    ) {
        let body = json!({which: names, "values": values, "timestamps": times});
        let _ = rest::parse(200, body.to_string().as_bytes());
    }

    #[test]
    fn any_even_table_makes_the_round_trip(
        rows in prop::collection::vec((any::<i64>(), ".*"), 0..5),
    ) {
        let rows = rows.into_iter().map(|(number, text)| vec![json!(number), json!(text)]);
        let columns = vec!["Number".to_owned(), "Text".to_owned()];
        let answer = Answer::Table(Table { columns, rows: rows.collect() });
        let (http, body) = rest::render(&answer);
        prop_assert_eq!(rest::parse(http, body.to_string().as_bytes()), Ok(answer));
    }
}
