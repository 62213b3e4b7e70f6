//! A checkpoint becomes a stored model file: piece by piece as its bytes come, each written where it belongs.

use std::rc::Rc;

use unmask_model_store::digest::Hasher;
use unmask_model_store::facts::Watch;
use unmask_model_store::lock::Lock;
use unmask_model_store::record::{Conversion, Part, Stored};
use unmask_model_store::storage::{Store, Writer};
use unmask_model_store::{Meter, Phase, Progress, now, quota, timer};
use unmask_pack::{Plan, Quantization};
use unmask_protocol::ErrorCode;
use web_sys::AbortSignal;

use crate::checkpoint::Checkpoint;
use crate::failure::Failure;
use crate::plan::{fingerprint, plan};
use crate::tape::Tape;

/// Bytes of the download between two notes: what a closed tab loses at most.
const STEP: u64 = 4 << 20;

/// Bytes that are read again at once.
const CHUNK: u64 = 1 << 20;

/// Everything that one import holds while it runs.
struct Import<'a> {
    store: &'a Store,
    checkpoint: &'a Checkpoint,
    plan: Plan,
    writer: Writer,
    part: Part,
    report: &'a dyn Fn(Progress),
    signal: &'a AbortSignal,
}

/// Fetches and quantizes a checkpoint under this id, going on where an earlier import stopped.
///
/// # Errors
/// `Network`, `Integrity`, `Memory` where there is no room, `Aborted` on request; what has come is kept where it is of
/// use.
pub async fn import(
    store: &Store,
    checkpoint: &Checkpoint,
    quantization: Quantization,
    id: &str,
    report: &dyn Fn(Progress),
    signal: &AbortSignal,
) -> Result<Stored, Failure> {
    let waiting = Meter::new(Phase::Waiting, None, report);
    let _lock = Lock::take(id, signal, || waiting.waiting(None)).await?;
    // Somebody else may have finished it meanwhile.
    if let Some((stored, _)) = store.stored(id).await {
        return Ok(stored);
    }
    let on_wait = |seconds| waiting.waiting(seconds);
    let samples = checkpoint.fingerprint().await?;
    let plan = plan(checkpoint, quantization, &on_wait, signal).await?;
    checkpoint.forget_contents();
    let fingerprint = fingerprint(checkpoint, &plan, samples);
    let header = plan.layout().header();
    let total: u64 = plan.files().map(|(_, bytes)| bytes).sum();
    let (bytes, name) = (header.file_bytes(), header.text("general.name"));
    let mut part = Part {
        id: id.to_owned(),
        name: name.map_or_else(|| checkpoint.asked.clone(), str::to_owned),
        quantization: quantization.name().to_owned(),
        source: checkpoint.asked.clone(),
        origin: checkpoint.origin,
        loaded: 0,
        total: Some(total),
        etag: None,
        conversion: None,
    };
    let writer = store.write_part(id).await?;
    let before = store.part(id).await;
    let goes_on = before.and_then(|before| Some((before.loaded, before.conversion?)));
    match goes_on {
        Some((loaded, conversion))
            if conversion.fingerprint == fingerprint && writer.bytes() == bytes =>
        {
            part.loaded = loaded;
            part.conversion = Some(conversion);
        }
        _ => {
            writer.truncate(0)?;
            if let Err(error) = quota::check(store, bytes).await {
                drop(writer);
                store.discard_part(id).await;
                return Err(error.into());
            }
            part.conversion = Some(Conversion {
                fingerprint,
                pieces: 0,
                file: 0,
                hasher: Hasher::default(),
            });
        }
    }
    let mut import = Import {
        store,
        checkpoint,
        plan,
        writer,
        part,
        report,
        signal,
    };
    match import.run(bytes).await {
        Ok(stored) => {
            drop(import.writer);
            store.finish(&stored).await?;
            Ok(stored)
        }
        Err(failure) if failure.may_go_on() => {
            // What cannot be noted now is lost, which the next try will see.
            let _ = import.save().await;
            match failure.0.code {
                ErrorCode::Memory => Err(import.no_room(bytes).await),
                _ => Err(failure),
            }
        }
        Err(failure) => {
            drop(import.writer);
            store.discard_part(id).await;
            Err(failure)
        }
    }
}

impl Import<'_> {
    async fn run(&mut self, bytes: u64) -> Result<Stored, Failure> {
        if self.writer.bytes() != bytes {
            // All the room that the file needs, at once.
            self.writer.truncate(bytes)?;
        }
        if self.pieces() == 0 {
            self.writer.write_at(0, self.plan.layout().header_bytes())?;
            for (offset, bytes) in self.plan.padding() {
                self.writer.write_at(offset, &vec![0; bytes])?;
            }
        }
        self.fill().await?;
        self.verify(bytes).await
    }

    /// Every piece that has not been written yet.
    async fn fill(&mut self) -> Result<(), Failure> {
        let (checkpoint, signal) = (self.checkpoint, self.signal);
        let files: Vec<(String, u64)> = self
            .plan
            .files()
            .map(|(name, bytes)| (name.to_owned(), bytes))
            .collect();
        let before = |file: usize| files[..file].iter().map(|(_, bytes)| bytes).sum::<u64>();
        let phase = match checkpoint.is_remote() {
            true => Phase::Download,
            false => Phase::File,
        };
        let mut meter = Meter::new(phase, self.part.total, self.report);
        meter.begin_at(self.part.loaded);
        let report = self.report;
        let state = (meter.loaded(), self.part.total);
        let on_wait = move |seconds_left| {
            report(Progress {
                phase: Phase::Waiting,
                loaded: state.0,
                total: state.1,
                seconds_left,
            });
        };
        // The file that an earlier import has left in the middle.
        let left = self.part.conversion.clone().and_then(|conversion| {
            let (name, _) = files.get(conversion.file)?;
            let begun = conversion.pieces > 0 || conversion.hasher.length() > 0;
            let large = checkpoint.large(name).filter(|_| begun)?;
            Some(Tape::new(checkpoint, large, conversion.hasher, signal))
        });
        let mut tape = left;
        let mut noted = self.part.loaded;
        let pieces = self.plan.pieces();
        for (number, piece) in pieces.iter().enumerate().skip(self.pieces()) {
            let encoded = loop {
                let error = match self.plan.encode(piece) {
                    Ok(encoded) => break encoded,
                    Err(error) => error,
                };
                let Some((large, missed)) = checkpoint.take_missed() else {
                    return Err(error.into());
                };
                let place = files.iter().position(|(name, _)| *name == large.name);
                let place = place.unwrap_or_default();
                if let Some(done) = tape.take_if(|tape| !Rc::ptr_eq(&tape.large, &large)) {
                    let base = before(self.file());
                    done.finish(&on_wait, &mut |passed| meter.reach(base + passed))
                        .await?;
                    self.begin_file(place);
                }
                let reading = tape
                    .get_or_insert_with(|| Tape::new(checkpoint, large, Hasher::default(), signal));
                let base = before(place);
                let provided = reading
                    .provide(missed, &on_wait, &mut |passed| meter.reach(base + passed))
                    .await;
                self.seen(place, reading, base);
                provided?;
            };
            self.writer.write_at(encoded.offset, &encoded.bytes)?;
            if let Some(conversion) = &mut self.part.conversion {
                conversion.pieces = number + 1;
            }
            if self.part.loaded.saturating_sub(noted) >= STEP {
                noted = self.part.loaded;
                self.save().await?;
            }
            // A cancellation arrives between two pieces.
            timer::sleep(0, signal).await?;
        }
        if let Some(done) = tape {
            let base = before(self.file());
            done.finish(&on_wait, &mut |passed| meter.reach(base + passed))
                .await?;
        }
        self.begin_file(files.len());
        if let Some(total) = self.part.total {
            self.part.loaded = total;
            meter.reach(total);
        }
        meter.finish();
        self.save().await
    }

    /// Reads what was written, sees that it is a model file, and takes its digest.
    async fn verify(&mut self, bytes: u64) -> Result<Stored, Failure> {
        self.writer.flush()?;
        let mut meter = Meter::new(Phase::Verify, Some(bytes), self.report);
        let (mut watch, mut hasher, mut at) = (Watch::default(), Hasher::default(), 0);
        let damaged = |reason: &str| {
            Failure::new(
                ErrorCode::Integrity,
                format!("What was written is not what is read: {reason}."),
                "Try again; if it happens again, this device's storage is damaged.",
            )
        };
        while at < bytes {
            let mut chunk = vec![0; CHUNK.min(bytes - at) as usize];
            if !self.writer.read_at(at, &mut chunk) {
                return Err(damaged("the file is too short"));
            }
            hasher.update(&chunk);
            watch.push(&chunk).map_err(|reason| damaged(&reason))?;
            at += chunk.len() as u64;
            meter.add(chunk.len() as u64);
            timer::sleep(0, self.signal).await?;
        }
        meter.finish();
        let facts = watch.finish().map_err(|reason| damaged(&reason))?;
        Ok(Stored::new(
            &self.part,
            facts,
            bytes,
            hasher.digest(),
            now(),
        ))
    }

    fn pieces(&self) -> usize {
        self.part.conversion.as_ref().map_or(0, |c| c.pieces)
    }

    fn file(&self) -> usize {
        self.part.conversion.as_ref().map_or(0, |c| c.file)
    }

    fn begin_file(&mut self, place: usize) {
        if let Some(conversion) = &mut self.part.conversion {
            conversion.file = place;
            conversion.hasher = Hasher::default();
        }
    }

    fn seen(&mut self, place: usize, tape: &Tape<'_>, base: u64) {
        self.part.loaded = base + tape.passed();
        if let Some(conversion) = &mut self.part.conversion {
            conversion.file = place;
            conversion.hasher = tape.hasher();
        }
    }

    async fn save(&mut self) -> Result<(), Failure> {
        self.writer.flush()?;
        Ok(self.store.save_part(&self.part).await?)
    }

    async fn no_room(&self, bytes: u64) -> Failure {
        let needed = bytes.saturating_sub(self.writer.bytes());
        quota::explain(self.store, needed).await.into()
    }
}
