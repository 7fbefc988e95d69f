use super::*;

const EVIL: &str = "</text><script>alert('1')</script> & \"x\"";

/// Something in each part.
fn full() -> Report {
    let bucket = |at: i64| Bucket {
        at: at * 1_000,
        writes: 40,
        rows: 20,
        failed: 1,
    };
    Report {
        run_id: "7f3a".into(),
        status: "Completed with errors".into(),
        source: format!("{EVIL}.csv"),
        mode: "multi-org".into(),
        counts: Counts {
            total: 10,
            imported: 9,
            created: 9,
            failed: 1,
            ..Counts::default()
        },
        causes: vec![Cause {
            code: EVIL.into(),
            count: 1,
            remedy: EVIL.into(),
            examples: vec![Example {
                record_number: 1,
                email: Some("alice smith@example.com".into()),
                message: format!("`alice smith@example.com`: {EVIL}"),
                ..Example::default()
            }],
            ..Cause::default()
        }],
        throughput: Some(Throughput {
            width: 1.0,
            buckets: (0..20).map(bucket).collect(),
            limits: vec![(0.0, 20.0, 50.0)],
            limit_period: Some(10.0),
            paused: vec![(3.0, 5.0)],
            away: vec![(8.0, 9.0)],
            cuts: vec![(12.0, 3_600.0)],
        }),
        organizations: vec![Organization {
            name: EVIL.into(),
            rows: 10,
            created: 9,
            failed: 1,
            ..Organization::default()
        }],
        calls: vec![(EVIL.into(), 12)],
        settings: vec![(EVIL.into(), EVIL.into())],
        attempts: vec![Attempt {
            limit: EVIL.into(),
            ..Attempt::default()
        }],
        receipt: Some(Receipt {
            source: EVIL.into(),
            remark: Some(EVIL.into()),
            ..Receipt::default()
        }),
        undone: vec![(EVIL.into(), 1)],
        reproduction: Reproduction {
            command: Some(EVIL.into()),
            sha256: Some(EVIL.into()),
            remark: Some(EVIL.into()),
        },
        ..Report::default()
    }
}

#[test]
fn nothing_that_others_wrote_is_markup() {
    let page = full().to_html().unwrap();
    assert!(!page.contains("<script"));
    assert_eq!(page.matches("</text><").count(), 0, "{page}");
    assert!(page.matches("&lt;script&gt;").count() > 10);
}

#[test]
fn an_empty_report_is_a_page_too() {
    let page = Report::default().to_html().unwrap();
    assert!(page.contains("No row has ended.") && page.trim_end().ends_with("</html>"));
}

#[test]
fn every_drawn_colour_has_a_name() {
    let page = full().to_html().unwrap();
    let style = palette::css();
    for attribute in ["fill=\"#", "stroke=\"#"] {
        for rest in page.split(attribute).skip(1) {
            let drawn = format!("{attribute}{}\"", &rest[..6]);
            assert!(style.contains(&drawn), "{drawn}");
        }
    }
}

#[test]
fn masked_reports_hold_no_whole_address() {
    let page = full().redacted().unwrap().to_html().unwrap();
    assert!(!page.contains("alice") && !page.contains("smith"));
    assert!(page.contains("a…@example.com") && page.contains("Email addresses are masked"));
}
