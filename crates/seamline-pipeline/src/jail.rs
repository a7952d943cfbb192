//! Shutting a worker in: Landlock and seccomp, after everything was loaded and before the first clip.
//!
//! Afterwards the process can read and seek the descriptors it holds, talk over its one socket, allocate,
//! and run threads; it cannot open a file, make a socket, start a program or change its limits.
//! What this does and does not stop stands in `docs/threat-model.md`.

use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetStatus, Scope};
use rustix::process::{Resource, Rlimit, setrlimit};
use seamline_core::{JailStatus, Limits};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};
use std::collections::BTreeMap;

/// Why the jail could not be built.
#[derive(Debug, thiserror::Error)]
#[error("jail: {0}")]
pub struct JailError(String);

/// Limits that the kernel enforces on the worker: address space, descriptors, no core dumps, no file growth.
pub fn limit_resources(limits: &Limits) -> Result<(), JailError> {
    let set = |what, value: u64| {
        setrlimit(what, Rlimit { current: Some(value), maximum: Some(value) })
            .map_err(|e| JailError(format!("rlimit: {e}")))
    };
    set(Resource::As, limits.worker_address_space)?;
    set(Resource::Nofile, 64)?;
    set(Resource::Core, 0)?;
    set(Resource::Fsize, 0)
}

/// Shuts the calling process in. Must run while it has one thread: Landlock binds the calling thread and the
/// threads that it starts later.
pub fn enter() -> Result<JailStatus, JailError> {
    let landlock = restrict_files();
    let seccomp = restrict_calls();
    match (seccomp, landlock) {
        (Ok(()), landlock) => Ok(JailStatus { seccomp: true, landlock: landlock.into() }),
        (Err(e), _) => Err(e),
    }
}

fn restrict_files() -> &'static str {
    // Best effort: an older kernel enforces what it knows, and the status says how much that was.
    let abi = ABI::V6;
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))
        .and_then(|r| r.handle_access(AccessNet::from_all(abi)))
        .and_then(|r| r.scope(Scope::from_all(abi)))
        .and_then(Ruleset::create)
        .and_then(|r| r.restrict_self());
    match status.map(|s| s.ruleset) {
        Ok(RulesetStatus::FullyEnforced) => "full",
        Ok(RulesetStatus::PartiallyEnforced) => "partial",
        Ok(RulesetStatus::NotEnforced) | Err(_) => "none",
    }
}

fn restrict_calls() -> Result<(), JailError> {
    let fail = |e: &dyn std::fmt::Display| JailError(format!("seccomp: {e}"));
    for filter in [no_clone3()?, allowed()?] {
        let program: BpfProgram = filter.try_into().map_err(|e: seccompiler::BackendError| fail(&e))?;
        seccompiler::apply_filter_all_threads(&program).map_err(|e| fail(&e))?;
    }
    Ok(())
}

fn arch() -> Result<TargetArch, JailError> {
    TargetArch::try_from(std::env::consts::ARCH).map_err(|e| JailError(format!("seccomp: {e}")))
}

/// clone3 hides its flags behind a pointer: it answers ENOSYS, and libc falls back to clone, whose flags the
/// second filter checks.
fn no_clone3() -> Result<SeccompFilter, JailError> {
    let rules = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS as u32), arch()?)
        .map_err(|e| JailError(format!("seccomp: {e}")))
}

/// Everything not named here answers EPERM.
fn allowed() -> Result<SeccompFilter, JailError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = PLAIN.iter().map(|&call| (call, Vec::new())).collect();
    let when = |arg: u8, op: SeccompCmpOp, value: u64| -> Result<SeccompRule, JailError> {
        SeccompCondition::new(arg, SeccompCmpArgLen::Dword, op, value)
            .and_then(|c| SeccompRule::new(vec![c]))
            .map_err(|e| JailError(format!("seccomp: {e}")))
    };
    // The first filter has answered clone3; of two filters that both refuse, the later one's errno would win.
    rules.insert(libc::SYS_clone3, Vec::new());
    // Threads, not processes.
    let thread = libc::CLONE_THREAD as u64;
    rules.insert(libc::SYS_clone, vec![when(0, SeccompCmpOp::MaskedEq(thread), thread)?]);
    // Facts about descriptors it holds, by an empty path.
    let empty = libc::AT_EMPTY_PATH as u64;
    rules.insert(libc::SYS_statx, vec![when(2, SeccompCmpOp::MaskedEq(empty), empty)?]);
    rules.insert(libc::SYS_newfstatat, vec![when(3, SeccompCmpOp::MaskedEq(empty), empty)?]);
    // Reading its own limits, never setting them (new_limit is NULL).
    rules.insert(libc::SYS_prlimit64, vec![when(2, SeccompCmpOp::Eq, 0)?]);
    rules.insert(
        libc::SYS_prctl,
        vec![
            when(0, SeccompCmpOp::Eq, libc::PR_SET_NAME as u64)?,
            when(0, SeccompCmpOp::Eq, libc::PR_SET_VMA as u64)?,
        ],
    );
    let commands = [libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_DUPFD_CLOEXEC];
    rules.insert(
        libc::SYS_fcntl,
        commands.iter().map(|&c| when(1, SeccompCmpOp::Eq, c as u64)).collect::<Result<_, _>>()?,
    );
    SeccompFilter::new(rules, SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow, arch()?)
        .map_err(|e| JailError(format!("seccomp: {e}")))
}

/// Calls that are allowed whatever their arguments.
const PLAIN: &[i64] = &[
    // Descriptors it holds.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_close,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_fadvise64,
    // Its socket.
    libc::SYS_recvmsg,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_ppoll,
    // Memory.
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    // Threads and signals.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_tgkill,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_membarrier,
    libc::SYS_restart_syscall,
    libc::SYS_getcpu,
    // Time, randomness, facts about the machine.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
];
