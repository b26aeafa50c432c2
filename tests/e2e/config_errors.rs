//! What is wrong with a configuration is said at once, all of it, and nothing starts.

use std::{net::TcpListener, path::Path};

use olla_sim::Kind;

use crate::{
    engines::{self, engine, entry},
    olla::Setup,
};

const WRONG: &str = "\
server:
  prot: 40114
  read_timeout: soon
proxy:
  load_balancer: fastest
endpoints:
  - {name: a, url: 'ftp://gpu-1', type: ollama}
  - {name: b, url: 'http://gpu-2', type: olama}
  - {name: b, url: 'http://gpu-3', check_interval: 2s, check_timeout: 5s}
  - {name: d, url: 'http://gpu-4', auth: {type: bearer, token: 'hunter2${MISSING}'}}
";

#[tokio::test]
async fn every_mistake_is_reported_with_file_line_and_key() {
    let setup = Setup::config(WRONG);

    let ended = setup.run().await;

    assert_eq!((ended.code, &*ended.stdout), (Some(1), ""));
    for place in [
        "config.yaml:2: server.prot",
        "config.yaml:3: server.read_timeout",
        "config.yaml:5: proxy.load_balancer",
        "config.yaml:7: endpoints[0].url",
        "config.yaml:8: endpoints[1].type",
        "config.yaml:9: endpoints[2].name",
        "config.yaml:9: endpoints[2].check_timeout",
        "config.yaml:10: endpoints[3].auth.token",
    ] {
        assert!(ended.stderr.contains(place), "{place} in:\n{}", ended.stderr);
    }
    for suggestion in ["`port`", "least-connections", "ollama", "MISSING"] {
        assert!(ended.stderr.contains(suggestion), "{suggestion} in:\n{}", ended.stderr);
    }
    assert!(ended.stderr.contains("8 problem(s)"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
}

#[tokio::test]
async fn check_reports_by_its_exit_code() {
    for arguments in [&["check"][..], &["--validate-config"], &["-validate-config"]] {
        let good = Setup::config("endpoints: ['http://gpu-1:11434']\n").arguments(arguments).run().await;
        let bad = Setup::config(WRONG).arguments(arguments).run().await;

        assert_eq!(good.code, Some(0), "{good:?}");
        assert!(good.stdout.contains("Result: PASS"), "{good:?}");
        assert_eq!(bad.code, Some(1), "{bad:?}");
        assert!(bad.stdout.contains("Result: FAIL"), "{bad:?}");
        assert!(!bad.stdout.contains("hunter2"), "{bad:?}");
    }
}

#[tokio::test]
async fn probing_tells_which_endpoint_does_not_answer() {
    let engine = engines::start(engine("sim", Kind::Vllm)).await;
    let up = format!("endpoints:\n{}", entry("up", &engine, "vllm"));
    // The discard port: nobody listens there.
    let down = format!("{up}  - {{name: down, url: 'http://127.0.0.1:9', type: vllm}}\n");

    let good = Setup::config(&up).arguments(&["check", "--probe"]).run().await;
    let bad = Setup::config(&down).arguments(&["check", "--probe"]).run().await;

    assert_eq!(good.code, Some(0), "{good:?}");
    assert!(good.stdout.contains("[OK]   up ") && good.stdout.contains("1 model(s)"), "{}", good.stdout);
    assert_eq!(bad.code, Some(1), "{bad:?}");
    assert!(bad.stdout.contains("[OK]   up ") && bad.stdout.contains("[FAIL] down "), "{}", bad.stdout);
}

#[tokio::test]
async fn a_port_in_use_ends_the_program_with_the_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let setup = Setup::nothing().variable("OLLA_SERVER_PORT", address.port().to_string());

    let ended = setup.run().await;

    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains(&address.to_string()), "{ended:?}");
    assert!(ended.stdout.contains("OLLA_SERVER_PORT"), "what to do: {ended:?}");
}

#[tokio::test]
async fn mistakes_on_the_command_line_exit_with_2() {
    for arguments in [&["--nonsense"][..], &["sevre"], &["--config"], &["demo", "--port", "70000"]] {
        let ended = Setup::nothing().arguments(arguments).run().await;

        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{arguments:?}");
        assert!(ended.stderr.starts_with("error: ") && ended.stderr.contains("--help"), "{ended:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_named_must_exist() {
    let ended = Setup::nothing().arguments(&["--config", "absent.yaml"]).run().await;

    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("absent.yaml"), "{ended:?}");
}

#[tokio::test]
async fn the_version_is_shown() {
    let ended = Setup::nothing().arguments(&["--version"]).run().await;

    assert_eq!(
        (ended.code, ended.stdout.trim()),
        (Some(0), concat!("olla-server ", env!("CARGO_PKG_VERSION")))
    );
}

/// The files of the original are not part of this repository; where they lie beside it, they must load.
#[tokio::test]
async fn the_files_of_the_original_load_unchanged() {
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/original");
    let Ok(config) = std::fs::read_to_string(original.join("config.yaml")) else { return };
    let mut setup = Setup::config(&config).arguments(&["check", "--profiles", "original"]);
    for file in std::fs::read_dir(original.join("profiles")).unwrap() {
        let path = file.unwrap().path();
        let name = format!("original/{}", path.file_name().unwrap().to_str().unwrap());
        setup = setup.file(&name, &std::fs::read_to_string(path).unwrap());
    }

    let ended = setup.run().await;

    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert!(ended.stdout.contains("Result: PASS"), "{}", ended.stdout);
}
