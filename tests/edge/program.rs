//! The program as a process, its log, and signals to it.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

use super::support::within;

pub(crate) struct Program {
    child: Child,
    /// `None` once nobody reads it any more.
    log: Option<BufReader<ChildStderr>>,
}

impl Program {
    /// With a file.
    pub(crate) fn start(file: &std::path::Path) -> Self {
        Self::run(&["run", "--config", file.to_str().unwrap()])
    }

    pub(crate) fn run(arguments: &[&str]) -> Self {
        Self::run_in(arguments, &[])
    }

    /// With more in its environment.
    pub(crate) fn run_in(arguments: &[&str], environment: &[(&str, &OsStr)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sockjs-gateway"));
        command.args(arguments).envs(environment.iter().copied());
        Self::spawn(&mut command)
    }

    /// By a command of any kind that becomes it.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self {
            child,
            log: Some(log),
        }
    }

    /// Its log, up to the line that has `expected`.
    pub(crate) fn says(&mut self, expected: &str) -> String {
        let mut said = String::new();
        loop {
            let before = said.len();
            let log = self.log.as_mut().unwrap();
            assert!(
                log.read_line(&mut said).unwrap() > 0,
                "{expected:?} is missing in {said}"
            );
            if said[before..].contains(expected) {
                return said;
            }
        }
    }

    /// Where it listens on 127.0.0.1, once it does.
    pub(crate) fn port(&mut self) -> u16 {
        let said = self.says("listening on http://127.0.0.1:");
        let (_, port) = said.rsplit_once("127.0.0.1:").unwrap();
        let digits = port.split(|other: char| !other.is_ascii_digit());
        digits.take(1).collect::<String>().parse().unwrap()
    }

    /// Waits until SIGHUP does not end it any more: `SigCgt` of proc_pid_status(5).
    pub(crate) async fn catches_hang_up(&self) {
        let status = format!("/proc/{}/status", self.child.id());
        let catches = || {
            let status = std::fs::read_to_string(&status).unwrap();
            let mut lines = status.lines();
            let caught = lines.find_map(|line| line.strip_prefix("SigCgt:"));
            u64::from_str_radix(caught.unwrap().trim(), 16).unwrap() & 1 == 1
        };
        let caught = async {
            while !catches() {
                tokio::task::yield_now().await;
            }
        };
        within("a handler of SIGHUP", caught).await;
    }

    /// Sends the signal of that name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.unwrap().success());
    }

    /// What is left of its log, up to its end.
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = String::new();
        let log = self.log.as_mut().unwrap();
        log.read_to_string(&mut rest).unwrap();
        rest
    }

    /// Closes the pipe that its log is written to.
    pub(crate) fn stops_reading(&mut self) {
        self.log = None;
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
