//! Codes to sign in with, and quotas.

use std::time::Duration;

use starling_core::ports::{Codes, Incarnation, Quota};
use tokio::time::sleep;

use super::support::connect;
use crate::Service;

const LIFE: Duration = Duration::from_secs(60);

fn subject() -> String {
    format!("code:{}", Incarnation::fresh())
}

pub async fn a_code_is_given_so_many_times_and_then_void(service: &dyn Service) {
    let (ports, subject) = (connect(service).await, subject());
    assert_eq!(ports.attempt(&subject, 5).await.unwrap(), None, "none was put");
    Codes::put(&*ports, &subject, &[7; 32], LIFE).await.unwrap();
    for _ in 0..5 {
        assert_eq!(ports.attempt(&subject, 5).await.unwrap(), Some([7; 32]));
    }
    for _ in 0..2 {
        assert_eq!(ports.attempt(&subject, 5).await.unwrap(), None);
    }
    assert!(!ports.consume(&subject, &[7; 32]).await.unwrap(), "void");
    Codes::put(&*ports, &subject, &[8; 32], LIFE).await.unwrap();
    assert_eq!(
        ports.attempt(&subject, 5).await.unwrap(),
        Some([8; 32]),
        "tries are its own"
    );
}

pub async fn a_code_is_used_up_once(service: &dyn Service) {
    let (ports, subject) = (connect(service).await, subject());
    Codes::put(&*ports, &subject, &[7; 32], LIFE).await.unwrap();
    assert!(!ports.consume(&subject, &[8; 32]).await.unwrap(), "another one");
    let at_once = futures::future::join_all((0..10).map(|_| ports.consume(&subject, &[7; 32]))).await;
    let used = at_once.into_iter().filter(|used| *used.as_ref().unwrap()).count();
    assert_eq!(used, 1);
    assert_eq!(ports.attempt(&subject, 5).await.unwrap(), None);
}

pub async fn a_code_ends_with_its_time(service: &dyn Service) {
    let (ports, subject) = (connect(service).await, subject());
    Codes::put(&*ports, &subject, &[7; 32], Duration::from_millis(50))
        .await
        .unwrap();
    sleep(Duration::from_millis(80)).await;
    assert_eq!(ports.attempt(&subject, 5).await.unwrap(), None);
}

pub async fn a_quota_is_spent_and_comes_back(service: &dyn Service) {
    let ports = connect(service).await;
    let hourly = Quota::per_hour(3);
    let one = subject();
    for _ in 0..3 {
        assert_eq!(ports.spend(&one, hourly).await.unwrap(), None);
    }
    let wait = ports.spend(&one, hourly).await.unwrap().unwrap();
    let minutes = wait.as_secs_f64() / 60.0;
    assert!((19.0..=20.01).contains(&minutes), "{wait:?}");
    assert_eq!(
        ports.spend(&subject(), hourly).await.unwrap(),
        None,
        "each subject has its own"
    );

    let quick = Quota {
        each: Duration::from_millis(50),
        burst: 1,
    };
    let other = subject();
    assert_eq!(ports.spend(&other, quick).await.unwrap(), None);
    let wait = ports.spend(&other, quick).await.unwrap();
    assert!(
        wait.is_none_or(|wait| wait <= Duration::from_millis(51)),
        "{wait:?}"
    );
    sleep(Duration::from_millis(60)).await;
    assert_eq!(ports.spend(&other, quick).await.unwrap(), None);
}
