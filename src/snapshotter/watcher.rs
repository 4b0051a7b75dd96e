//! The loop of the snapshotter's thread: look, take what is due or asked for, sleep until the next time
//! or until the live bytes reach a level. One look is a function of its own, so tests need no thread.

use super::{folder::Folder, process::Process, reason::Reason, taker::Taker, triggers::Triggers};
use crate::{Result, record};
use std::{
    path::PathBuf,
    sync::mpsc::{Receiver, SyncSender, TryRecvError},
    time::Duration,
};

/// What the program asks of the thread.
#[derive(Debug)]
pub(super) enum Request {
    /// Take a snapshot now, and tell who waits. `None` if there were too many for this reason lately.
    Take(Reason, SyncSender<Option<Result<PathBuf>>>),
    /// Take a last one if there is to be one, and end; who waits hears of it when the sender is dropped.
    Stop(Option<Reason>, SyncSender<()>),
}

/// How long to sleep where nothing is to be watched.
const LONG: Duration = Duration::from_secs(3600);

/// Watches a process and takes its snapshots.
#[derive(Debug)]
pub(super) struct Watcher<P, F> {
    process: P,
    triggers: Triggers,
    taker: Taker<F>,
    requests: Receiver<Request>,
}

/// What comes after a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Sleep(Duration),
    End,
}

impl<P: Process, F: Folder> Watcher<P, F> {
    pub(super) fn new(
        process: P,
        triggers: Triggers,
        taker: Taker<F>,
        requests: Receiver<Request>,
    ) -> Self {
        Self {
            process,
            triggers,
            taker,
            requests,
        }
    }

    /// Until it is stopped, or nobody is left to stop it.
    pub(super) fn run(mut self) {
        let alarm = record::alarm();
        self.taker.begin();
        loop {
            // Before looking: a ring meanwhile is not slept through.
            let rings = alarm.rings();
            match self.look() {
                Next::Sleep(most) => alarm.wait(rings, most),
                Next::End => break,
            }
        }
    }

    /// Takes what is due and what was asked for.
    fn look(&mut self) -> Next {
        loop {
            match self.requests.try_recv() {
                Ok(Request::Take(reason, reply)) => {
                    let measured = self.process.measure();
                    let taken = self
                        .triggers
                        .admit(&reason, &measured)
                        .then(|| self.taker.take(&self.process, reason, &measured));
                    // Who asked may have stopped waiting.
                    let _nobody_waits = reply.try_send(taken);
                }
                Ok(Request::Stop(last, waits)) => {
                    if let Some(reason) = last {
                        let measured = self.process.measure();
                        // Counted and told by the taker.
                        let _told = self.taker.take(&self.process, reason, &measured);
                    }
                    // Before who waits hears of the end, and lets another one start and set a level.
                    self.process.wake_at(None);
                    drop(waits);
                    return Next::End;
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.process.wake_at(None);
                    return Next::End;
                }
            }
        }
        let mut measured = self.process.measure();
        while let Some(reason) = self.triggers.due(&measured) {
            // Counted and told by the taker; nothing is due twice, so trouble does not spin.
            let _told = self.taker.take(&self.process, reason, &measured);
            measured = self.process.measure();
        }
        self.process.wake_at(self.triggers.level(&measured));
        Next::Sleep(self.triggers.quiet(measured.now).unwrap_or(LONG))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshotter::{
        fraction::Fraction,
        memory::Memory,
        name::SnapshotName,
        retention::Keep,
        taker::Counters,
        triggers::{Measured, Rules},
        trouble::Troubles,
    };
    use std::{
        collections::BTreeMap,
        io,
        sync::{
            Arc, Mutex,
            atomic::Ordering,
            mpsc::{Sender, channel, sync_channel},
        },
        time::SystemTime,
    };

    const MIB: u64 = 1 << 20;

    /// A process and a folder that do as they are told, and what was said of them.
    #[derive(Debug, Default)]
    struct World {
        now: Duration,
        live_bytes: u64,
        used: u64,
        level: Option<u64>,
        no_profile: bool,
        files: BTreeMap<String, Vec<u8>>,
        trouble: Option<io::ErrorKind>,
        cannot_remove: bool,
        stuck: Option<String>,
        waits: Option<Receiver<()>>,
        prepared: u32,
        said: Vec<String>,
    }

    #[derive(Clone, Debug, Default)]
    struct Shared(Arc<Mutex<World>>);

    impl Shared {
        fn with<R>(&self, f: impl FnOnce(&mut World) -> R) -> R {
            f(&mut self.0.lock().unwrap())
        }

        fn reasons(&self) -> Vec<String> {
            let files = self.with(|world| world.files.clone());
            let parsed = files.keys().map(|name| SnapshotName::parse(name).unwrap());
            parsed.map(|name| name.reason.to_string()).collect()
        }
    }

    impl Process for Shared {
        fn measure(&self) -> Measured {
            self.with(|world| Measured {
                now: world.now,
                live_bytes: world.live_bytes,
                memory: vec![Memory {
                    number: 0,
                    used: world.used,
                    limit: 1000 * MIB,
                    source: "test",
                }],
            })
        }

        fn wall_clock(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH + self.with(|world| world.now)
        }

        fn wake_at(&self, live_bytes: Option<u64>) {
            self.with(|world| {
                world.level = live_bytes;
                if let Some(waits) = &world.waits {
                    let told = waits.try_recv();
                    assert_eq!(told, Err(TryRecvError::Empty), "the level of the next one");
                }
            });
        }

        fn profile(&self, remark: &str) -> Result<Vec<u8>> {
            if self.with(|world| world.no_profile) {
                return Err(crate::Error::busy("a table stayed locked"));
            }
            Ok(remark.into())
        }
    }

    impl Folder for Shared {
        fn prepare(&self) -> io::Result<()> {
            self.with(|world| {
                world.prepared += 1;
                world.trouble.map_or(Ok(()), |kind| Err(kind.into()))
            })
        }

        fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
            self.with(|world| match world.trouble {
                Some(kind) => Err(kind.into()),
                None if world.files.contains_key(name) => Err(io::ErrorKind::AlreadyExists.into()),
                None => {
                    world.files.insert(name.to_owned(), bytes.to_vec());
                    Ok(())
                }
            })
        }

        fn list(&self) -> io::Result<Vec<(String, u64)>> {
            let files = self.with(|world| world.files.clone());
            Ok(files
                .into_iter()
                .map(|(name, bytes)| (name, bytes.len() as u64))
                .collect())
        }

        fn remove(&self, name: &str) -> io::Result<()> {
            self.with(|world| {
                if world.cannot_remove || world.stuck.as_deref() == Some(name) {
                    return Err(io::ErrorKind::PermissionDenied.into());
                }
                assert!(world.files.remove(name).is_some());
                Ok(())
            })
        }

        fn path(&self, name: &str) -> PathBuf {
            PathBuf::from("/dumps").join(name)
        }
    }

    fn watcher(
        world: &Shared,
        rules: Rules,
        files: usize,
    ) -> (Watcher<Shared, Shared>, Sender<Request>, Arc<Counters>) {
        let counters = Arc::<Counters>::default();
        let said = world.clone();
        let troubles = Troubles::new(move |line| said.with(|world| world.said.push(line.into())));
        let keep = Keep {
            files,
            bytes: u64::MAX,
        };
        let taker = Taker::new(world.clone(), keep, 7, Arc::clone(&counters), troubles);
        let triggers = Triggers::new(rules, &world.measure());
        let (requests, received) = channel();
        let watcher = Watcher::new(world.clone(), triggers, taker, received);
        (watcher, requests, counters)
    }

    fn every(seconds: u64) -> Rules {
        Rules {
            every: Some(Duration::from_secs(seconds)),
            ..Rules::default()
        }
    }

    #[test]
    fn hours_of_a_process_leave_its_last_files_its_peak_and_its_pressure() {
        let world = Shared::default();
        let rules = Rules {
            growth_bytes: Some(100 * MIB),
            peak: true,
            limits: vec![Fraction::new(0.5).unwrap(), Fraction::new(0.8).unwrap()],
            ..every(60)
        };
        let (mut watcher, _requests, counters) = watcher(&world, rules, 3);
        // Two hours at a steady 20 MiB, one minute at 900, and back.
        for second in 0..=7200 {
            let live = if (3600..3660).contains(&second) {
                900
            } else {
                20
            };
            world.with(|world| {
                world.now = Duration::from_secs(second);
                world.live_bytes = live * MIB;
                world.used = live * MIB;
            });
            assert!(matches!(watcher.look(), Next::Sleep(most) if most <= Duration::from_secs(1)));
        }
        let reasons = world.reasons();
        let expected = ["limit80", "peak", "interval", "interval", "interval"];
        assert_eq!(reasons, expected);
        let names: Vec<String> = world.with(|world| world.files.keys().cloned().collect());
        assert_eq!(names[1], "heap-19700101T010000.001Z-7-peak.pb.gz");
        assert_eq!(names[4], "heap-19700101T020000.000Z-7-interval.pb.gz");
        let remark = world.with(|world| world.files[&names[0]].clone());
        let remark = String::from_utf8(remark).unwrap();
        let expected = "#heaptide snapshot: limit80; 900.00 MiB used of 1000.00 MiB (test)";
        assert_eq!(remark, expected);
        // 120 ticks, one of which was the limit's file; two peaks. Growth had its file at the limit.
        assert_eq!(counters.taken.load(Ordering::Relaxed), 122);
        assert_eq!(counters.removed.load(Ordering::Relaxed), 117);
        assert_eq!(world.with(|world| world.prepared), 1);
        assert!(world.with(|world| world.said.is_empty()));
        // Right after a file growth is not listened for, so it is half of the way to the next share.
        assert_eq!(world.with(|world| world.level), Some(260 * MIB));
        world.with(|world| world.now = Duration::from_secs(7201));
        let _next = watcher.look();
        assert_eq!(world.with(|world| world.level), Some(120 * MIB));
    }

    #[test]
    fn a_full_disk_is_said_once_and_counted_and_the_next_snapshot_comes_when_it_is_due() {
        let world = Shared::default();
        let (mut watcher, _requests, counters) = watcher(&world, every(60), 10);
        world.with(|world| world.trouble = Some(io::ErrorKind::StorageFull));
        watcher.taker.begin();
        let mut look = |minute: u64| {
            world.with(|world| world.now = Duration::from_secs(60 * minute));
            // Trouble makes nobody look again before time.
            assert_eq!(watcher.look(), Next::Sleep(Duration::from_secs(60)));
        };
        (1..=5).for_each(&mut look);
        assert_eq!(counters.failed.load(Ordering::Relaxed), 5);
        assert_eq!(world.with(|world| world.said.len()), 1, "{world:?}");
        world.with(|world| world.trouble = None);
        look(6);
        world.with(|world| world.trouble = Some(io::ErrorKind::StorageFull));
        look(7);
        assert_eq!(world.with(|world| world.said.len()), 2);
        world.with(|world| world.trouble = Some(io::ErrorKind::ReadOnlyFilesystem));
        look(8);
        world.with(|world| world.trouble = None);
        world.with(|world| world.no_profile = true);
        look(9);
        look(10);
        let said = world.with(|world| world.said.clone());
        assert_eq!(said.len(), 4, "{said:?}");
        let place =
            "could not write the snapshot /dumps/heap-19700101T000800.000Z-7-interval.pb.gz";
        assert!(said[2].starts_with(place), "{said:?}");
        assert_eq!(world.reasons(), ["interval"]);
        assert_eq!(counters.taken.load(Ordering::Relaxed), 1);
        assert_eq!(counters.failed.load(Ordering::Relaxed), 9);
    }

    #[test]
    fn files_that_cannot_be_removed_cost_no_snapshot() {
        let world = Shared::default();
        let (mut watcher, _requests, counters) = watcher(&world, every(60), 2);
        world.with(|world| world.cannot_remove = true);
        for minute in 1..=5 {
            world.with(|world| world.now = Duration::from_secs(60 * minute));
            let _next = watcher.look();
        }
        assert_eq!(world.reasons().len(), 5);
        assert_eq!(world.with(|world| world.said.len()), 1);
        assert_eq!(counters.failed.load(Ordering::Relaxed), 0);
        world.with(|world| world.cannot_remove = false);
        world.with(|world| world.now = Duration::from_secs(360));
        let _next = watcher.look();
        assert_eq!(world.reasons().len(), 2, "made up for");
    }

    #[test]
    fn one_file_that_cannot_be_removed_keeps_no_other() {
        let world = Shared::default();
        let (mut watcher, _requests, counters) = watcher(&world, every(60), 2);
        let stuck = "heap-19700101T000100.000Z-7-interval.pb.gz".to_owned();
        world.with(|world| world.stuck = Some(stuck.clone()));
        for minute in 1..=6 {
            world.with(|world| world.now = Duration::from_secs(60 * minute));
            let _next = watcher.look();
        }
        let names: Vec<String> = world.with(|world| world.files.keys().cloned().collect());
        assert_eq!(names.len(), 3, "{names:?}");
        assert_eq!(names[0], stuck);
        assert_eq!(counters.removed.load(Ordering::Relaxed), 3);
        assert_eq!(world.with(|world| world.said.len()), 1);
    }

    /// Files of a process that was killed.
    fn left_behind(world: &Shared, names: &[&str]) {
        world.with(|world| {
            for name in names {
                world.files.insert((*name).to_owned(), Vec::new());
            }
        });
    }

    #[test]
    fn a_restart_with_the_same_process_id_leaves_the_peak_of_the_one_that_was_killed() {
        let world = Shared::default();
        left_behind(&world, &["heap-19700101T000100.000Z-7-peak.pb.gz"]);
        let rules = Rules {
            peak: true,
            ..Rules::default()
        };
        world.with(|world| world.now = Duration::from_secs(120));
        let (mut watcher, _requests, _counters) = watcher(&world, rules, 10);
        for second in 120..130 {
            world.with(|world| {
                world.now = Duration::from_secs(second);
                world.live_bytes = 2 * second * second * MIB;
            });
            let _next = watcher.look();
        }
        let names: Vec<String> = world.with(|world| world.files.keys().cloned().collect());
        let expected = [
            "heap-19700101T000100.000Z-7-peak.pb.gz",
            "heap-19700101T000206.000Z-7-peak.pb.gz",
        ];
        assert_eq!(names, expected, "its own first peak is replaced");
    }

    #[test]
    fn a_clock_that_was_set_back_costs_no_new_file() {
        let world = Shared::default();
        let later = [
            "heap-20261121T000000.000Z-7-interval.pb.gz",
            "heap-20261121T000100.000Z-7-interval.pb.gz",
        ];
        left_behind(&world, &later);
        let (mut watcher, _requests, counters) = watcher(&world, every(60), 2);
        for minute in 1..=2 {
            world.with(|world| world.now = Duration::from_secs(60 * minute));
            let _next = watcher.look();
            let names: Vec<String> = world.with(|world| world.files.keys().cloned().collect());
            assert_eq!(counters.taken.load(Ordering::Relaxed), minute);
            assert_eq!(names.len(), 2);
            // Behind those that were there: names keep their order.
            let own = format!("heap-20261121T000100.00{minute}Z-7-interval.pb.gz");
            assert_eq!(names[1], own, "{names:?}");
        }
    }

    #[test]
    fn two_replicas_in_the_same_millisecond_have_a_file_each() {
        let world = Shared::default();
        let (mut one, _one_requests, _counters) = watcher(&world, every(60), 10);
        let (mut other, _other_requests, counters) = watcher(&world, every(60), 10);
        one.taker.begin();
        other.taker.begin();
        world.with(|world| world.now = Duration::from_secs(60));
        let _next = one.look();
        let _next = other.look();
        let names: Vec<String> = world.with(|world| world.files.keys().cloned().collect());
        let expected = [
            "heap-19700101T000100.000Z-7-interval.pb.gz",
            "heap-19700101T000100.001Z-7-interval.pb.gz",
        ];
        assert_eq!(names, expected);
        assert_eq!(counters.taken.load(Ordering::Relaxed), 1);
        // Where no name is free, that is an error and no loop.
        let stamps: Vec<String> = (0..1000)
            .map(|milli| format!("heap-19700101T000200.{milli:03}Z-7-interval.pb.gz"))
            .collect();
        let stamps: Vec<&str> = stamps.iter().map(String::as_str).collect();
        left_behind(&world, &stamps);
        world.with(|world| world.now = Duration::from_secs(120));
        let _next = other.look();
        assert_eq!(counters.failed.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn requests_are_answered_in_order_and_the_last_is_taken_at_the_end() {
        let world = Shared::default();
        let (mut watcher, requests, _counters) = watcher(&world, Rules::default(), 10);
        let ask = |reason: Reason| {
            let (reply, answer) = sync_channel(1);
            requests.send(Request::Take(reason, reply)).unwrap();
            answer
        };
        let first = ask(Reason::Hand("a".into()));
        let (panic, again) = (ask(Reason::Panic), ask(Reason::Panic));
        assert_eq!(watcher.look(), Next::Sleep(LONG));
        let path = first.recv().unwrap().unwrap().unwrap();
        assert_eq!(
            path,
            PathBuf::from("/dumps/heap-19700101T000000.000Z-7-a.pb.gz")
        );
        assert!(panic.recv().unwrap().unwrap().is_ok());
        assert!(again.recv().unwrap().is_none(), "too soon after the first");
        let (reply, ended) = sync_channel(0);
        let stop = Request::Stop(Some(Reason::Exit), reply);
        requests.send(stop).unwrap();
        let late = ask(Reason::Signal);
        world.with(|world| {
            world.level = Some(MIB);
            world.waits = Some(ended);
        });
        assert_eq!(watcher.look(), Next::End);
        assert_eq!(world.reasons(), ["a", "panic", "exit"]);
        world.with(|world| {
            assert_eq!(world.level, None, "nobody listens any more");
            let ended = world.waits.take().unwrap();
            assert_eq!(ended.try_recv(), Err(TryRecvError::Disconnected));
        });
        drop(watcher);
        assert!(
            late.recv().is_err(),
            "who comes too late does not wait for ever"
        );
    }

    #[test]
    fn it_ends_when_nobody_is_left_to_stop_it() {
        let (mut watcher, requests, _counters) = watcher(&Shared::default(), every(1), 1);
        drop(requests);
        assert_eq!(watcher.look(), Next::End);
    }
}
