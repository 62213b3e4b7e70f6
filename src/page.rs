//! Everything that the page's panels share: the reader's sentence, the models, their answers, what is pointed at.

use unmask_protocol::{FilledMask, GenerateOptions, HeadsOff, Truncation};
use web_sys::AbortSignal;

use crate::engine::{self, Model, Read, Recording};
use crate::latest::{Latest, spawn};
use crate::library;
use crate::slot::{Slot, Status};
use crate::state::ablation::{Off, heads_off, off_in};
use crate::state::attention::{Attention, Attentions, Head};
use crate::state::catalogue::Catalogue;
use crate::state::decoding::Decoding;
use crate::state::draft::{Draft, Stage};
use crate::state::fields::{Choice, FIELDS, Texts};
use crate::state::grid::Grid;
use crate::state::history::History;
use crate::state::library::{STORED, Shelf};
use crate::state::links::{Place, Pointer};
use crate::state::noise::Settings;
use crate::state::ramp::Scheme;
use crate::state::sentence::Sentence;
use crate::state::shapes::Sight;
use crate::state::view::View;
use crate::var::{Derived, Var, effect};
use crate::writing::Writing;

/// The site's own BERT.
const BERT: &str = "bert";
/// Candidates shown for a mask.
const TOP_K: usize = 5;
/// The task that takes a question and a passage: the page asks it beside BERT's answer.
pub const ANSWER: &str = "answer";
/// The task for which BART reads one word instead of the sentence.
const PRONOUNCE: &str = "pronounce";

/// The recorded runs of both models on the opening sentence, shown until they are here.
const RECORDINGS: [&str; 2] = ["fill-mask", "restore"];

/// The opening sentence and the word that it hides: what comes after the mask decides what belongs there.
const OPENING: (&str, &str) = ("I want to go to the beach with you.", "go");

/// Which layer and head of a model is shown.
#[derive(Clone, Copy)]
pub struct Lens {
    /// Layer, counted from 0.
    pub layer: Var<usize>,
    /// Head, or the mean over them.
    pub head: Var<Head>,
    /// Whether the reader has chosen them.
    pub chosen: Var<bool>,
}

impl Lens {
    fn new() -> Self {
        Self {
            layer: Var::new(0),
            head: Var::new(Head::Mean),
            chosen: Var::new(false),
        }
    }

    /// Takes the reader's choice.
    pub fn choose(self, layer: usize, head: Head) {
        self.chosen.put(true);
        self.layer.put(layer);
        self.head.put(head);
    }
}

/// How tokens are shown wherever attention is drawn.
#[derive(Clone, Copy)]
pub struct Display {
    /// Word pieces put back together.
    pub whole_words: Var<bool>,
    /// Without `[CLS]`, `[SEP]` and their like.
    pub written_only: Var<bool>,
    /// With padding behind BERT's text.
    pub padding: Var<bool>,
    /// Weights below this leave no line, in percent.
    pub threshold: Var<usize>,
}

impl Display {
    /// The grid as the reader wants it (tracked).
    pub fn apply(self, grid: Grid) -> Grid {
        let grid = match self.whole_words.get() {
            true => grid.merged(),
            false => grid,
        };
        match self.written_only.get() {
            true => grid.without_special(),
            false => grid,
        }
    }
}

/// The page's shared state, handed to every view.
#[derive(Clone, Copy)]
pub struct Page {
    /// What this site carries.
    pub catalogue: Var<Catalogue>,
    /// The reader's text.
    pub sentence: Var<Sentence>,
    /// The model that fills.
    pub bert: Slot,
    /// The model that writes.
    pub bart: Slot,
    /// How BERT may look.
    pub sight: Var<Sight>,
    /// How it might look before, and what of that was taken back.
    pub sights: Var<History<Sight>>,
    /// The heads that are off, of both models.
    pub off: Var<Vec<Off>>,
    /// Those of BERT, as the engine is told.
    bert_off: Derived<Option<HeadsOff>>,
    /// Those of BART.
    bart_off: Derived<Option<HeadsOff>>,
    /// BERT's candidates for every mask.
    pub fills: Latest<Read<Vec<FilledMask>>>,
    /// The same with BERT's own mask, while the reader has chosen another: what to compare with.
    pub reference: Latest<Read<Vec<FilledMask>>>,
    /// What of the text BERT doesn't read, where it is longer than that.
    pub unread: Latest<Option<Truncation>>,
    /// BERT's attention.
    pub bert_attention: Latest<Attentions>,
    /// The word BART pronounces, by its place in the sentence; none takes the salient one.
    pub spoken: Var<Option<usize>>,
    /// What BART does, where it can do several things.
    pub task: Var<Option<String>>,
    /// Beams of BART's search.
    pub beams: Var<usize>,
    /// How else BART chooses.
    pub decoding: Var<Decoding>,
    /// The token written whose alternatives are shown, by its place.
    pub step: Var<usize>,
    /// What BART writes.
    pub writing: Writing,
    /// BART's attention over source and output.
    pub bart_attention: Latest<Attentions>,
    /// The decoder's rows that are shown, from the first; none shows all.
    pub rows: Var<Option<usize>>,
    /// Whether these rows are a link’s: the next writing that comes to its end keeps them.
    pub linked: Var<bool>,
    /// Recorded runs, to be shown while the models are on their way.
    recordings: Var<Vec<Recording>>,
    /// What is pointed at in the matrices.
    pub pointer: Var<Option<Pointer>>,
    /// Layer and head of BERT's matrix.
    pub bert_lens: Lens,
    /// Layer and head of BART's matrices.
    pub bart_lens: Lens,
    /// Which attention is shown head by head.
    pub part: Var<Place>,
    /// How tokens are shown.
    pub display: Display,
    /// Whether a click on BERT's matrix paints its mask.
    pub painting: Var<bool>,
    /// Light or dark.
    pub scheme: Var<Scheme>,
    /// The BART that the reader, or a link, asks for.
    pub wanted: Var<Option<String>>,
    /// The BERT that the reader, or a link, asks for: one that is kept on this machine.
    pub reader: Var<Option<String>>,
    /// What is kept on this machine.
    pub shelf: Var<Shelf>,
    /// Whether the reader has done anything yet.
    pub touched: Var<bool>,
    /// Names in the address that say nothing to this page.
    pub misread: Var<Vec<String>>,
    /// What the labs' fields hold, by their places in [`FIELDS`].
    pub fields: &'static [Var<String>; FIELDS.len()],
    /// How the lab's text is spoilt.
    pub noise: Var<Settings>,
    /// The words that are compared, of two sentences; none takes the one that both have.
    pub compared: Var<[Option<Choice>; 2]>,
    /// The state whose vectors are laid out, from before the first layer; none takes the last.
    pub layer: Var<Option<usize>>,
    /// The word that pre-training has chosen; none takes the last that will do.
    pub schooled: Var<Option<Choice>>,
    /// Which draw decides about it.
    pub drawn: Var<u32>,
    /// The heads whose texts have each word hidden in turn, by name.
    pub occluded: Var<Vec<String>>,
    /// What is unfolded, by name.
    pub open: Var<Vec<String>>,
    /// What panels have found, for the tour to tell.
    pub told: Told,
    /// Whether the tour has the page.
    pub touring: Var<bool>,
}

/// What panels of their own have found; none while they ask.
#[derive(Clone, Copy)]
pub struct Told {
    /// Rows that stayed to the last bit when BERT's last word became another, and rows in all.
    pub unmoved: Var<Option<(usize, usize)>>,
    /// A text, what was left of it when it was spoilt, and what BART made of that.
    pub repaired: Var<Option<(String, String, String)>>,
    /// Probability that the second sentence follows the first.
    pub follows: Var<Option<f32>>,
    /// What BERT marks as the answer (nothing, where it finds none), and what BART says in its own words.
    pub answers: Var<Option<(String, String)>>,
    /// BERT's first guess with every head and its probability, and the same without those that are off.
    pub silenced: Var<Option<[(String, f32); 2]>>,
}

impl Told {
    fn new() -> Self {
        Self {
            unmoved: Var::new(None),
            repaired: Var::new(None),
            follows: Var::new(None),
            answers: Var::new(None),
            silenced: Var::new(None),
        }
    }
}

impl Page {
    /// The attention that is shown head by head at first.
    pub const PART: Place = Place::Bert;
    /// Percent below which no line is drawn at first.
    pub const THRESHOLD: usize = 5;
    /// The numbers of beams on offer: one, and some widths.
    pub const ALL_BEAMS: [usize; 4] = [1, 2, 4, 8];
    /// Beams at first.
    pub const BEAMS: usize = Self::ALL_BEAMS[0];

    /// The sentence at first.
    pub fn opening() -> Sentence {
        Sentence::hiding(OPENING.0, OPENING.1)
    }

    /// The page as it opens, with every question wired to what it depends on.
    pub fn new() -> Self {
        let sentence = Var::new(Self::opening());
        let bert = Slot::new(BERT);
        let bart = Slot::new("bart-g2p");
        let sight = Var::new(Sight::default());
        let writing = Writing::new();
        let off = Var::new(Vec::new());
        let told = |place| Derived::new(move || off.with(|off: &Vec<Off>| heads_off(off, place)));
        let (bert_off, bart_off) = (told(Place::Bert), told(Place::Encoder));
        // What is asked first is answered first: the matrix is what a reader who types looks at.
        let bert_attention = Latest::new(move || {
            let text = sentence.with(Sentence::beginning)?;
            let (model, sight) = (able(bert, bert_off)?, sight.get());
            Some(async move |signal: Option<AbortSignal>| {
                let mask = model.mask(&sight, &text, signal.clone()).await?;
                model
                    .attention(&text, None, None, mask.as_ref(), signal)
                    .await
            })
        });
        let fills = Latest::new(move || {
            let text = sentence.with(Sentence::masked_if_any)?;
            let model = able(bert, bert_off).filter(Model::fills)?;
            let sight = sight.get();
            Some(async move |signal: Option<AbortSignal>| {
                let mask = model.mask(&sight, &text, signal.clone()).await?;
                model.fill_mask(&text, TOP_K, mask.as_ref(), signal).await
            })
        });
        let reference = Latest::new(move || {
            let text = sentence.with(Sentence::masked_if_any)?;
            let model = able(bert, bert_off).filter(Model::fills)?;
            if sight.with(Sight::as_trained) {
                return None;
            }
            Some(async move |signal| model.fill_mask(&text, 1, None, signal).await)
        });
        let unread = Latest::new(move || {
            let (model, text) = (bert.model()?, sentence.with(Sentence::masked));
            // A token has a character at least, and two are the model's own.
            let may_be = text.chars().count() + 2 > model.info.max_positions;
            may_be.then_some(async move |signal| {
                let tokens = model.tokenize(&text, signal).await?;
                Ok(tokens.truncation)
            })
        });
        let bart_question = move || {
            let draft = writing.draft.get();
            let done = matches!(draft.stage, Stage::Finished | Stage::Stopped);
            let model = able(bart, bart_off).filter(|_| done && !draft.text().is_empty())?;
            Some(async move |signal| {
                let (target, task) = (Some(draft.text()), draft.controls.task.as_deref());
                model
                    .attention(&draft.source, target, task, None, signal)
                    .await
            })
        };
        // While BART writes anew, as without a head, the heads that are looked at stay in sight.
        let bart_attention = Latest::keeping(bart_question, move || writing.is_running());
        let page = Self {
            catalogue: Var::new(Catalogue::default()),
            sentence,
            bert,
            bart,
            sight,
            sights: Var::new(History::default()),
            off,
            bert_off,
            bart_off,
            fills,
            reference,
            unread,
            bert_attention,
            spoken: Var::new(None),
            task: Var::new(None),
            beams: Var::new(Self::BEAMS),
            decoding: Var::new(Decoding::default()),
            step: Var::new(0),
            writing,
            bart_attention,
            rows: Var::new(None),
            linked: Var::new(false),
            recordings: Var::new(Vec::new()),
            pointer: Var::new(None),
            bert_lens: Lens::new(),
            bart_lens: Lens::new(),
            part: Var::new(Self::PART),
            display: Display {
                whole_words: Var::new(false),
                written_only: Var::new(false),
                padding: Var::new(false),
                threshold: Var::new(Self::THRESHOLD),
            },
            painting: Var::new(false),
            scheme: Var::new(Scheme::default()),
            wanted: Var::new(None),
            reader: Var::new(None),
            shelf: Var::new(Shelf::default()),
            touched: Var::new(false),
            misread: Var::new(Vec::new()),
            fields: Box::leak(Box::new(std::array::from_fn(|at| {
                Var::new(FIELDS[at].opening.to_owned())
            }))),
            noise: Var::new(Settings::default()),
            compared: Var::new([None, None]),
            layer: Var::new(None),
            schooled: Var::new(None),
            drawn: Var::new(View::DRAWN),
            occluded: Var::new(Vec::new()),
            open: Var::new(Vec::new()),
            told: Told::new(),
            touring: Var::new(false),
        };
        page.write_when_anything_changes();
        page.open_lenses();
        page
    }

    /// Reads the catalogue and, if `at_once`, starts loading both models.
    pub fn open(self, at_once: bool) {
        spawn(async move {
            // Without a catalogue the models' own errors say what is wrong; only the sizes stay unknown.
            if let Ok(catalogue) = engine::catalogue().await {
                self.catalogue.set(catalogue);
            }
            // Only who asks for a model of their own waits until it is known what is kept.
            let own = [self.wanted, self.reader].iter().any(|wanted| {
                wanted.peek(|name| name.as_ref().is_some_and(|name| name.starts_with(STORED)))
            });
            if own {
                self.renew_shelf().await;
            }
            self.choose_reader();
            self.choose_writer();
            if at_once {
                self.bert.load();
                self.bart.load();
            }
            if !own && library::has_brought() {
                self.renew_shelf().await;
            }
        });
        spawn(async move {
            for name in RECORDINGS {
                // Without one the matrices show their masks alone, as for any other text.
                if let Ok(run) = engine::recording(name).await {
                    self.recordings.update(|runs| runs.push(run));
                }
            }
        });
    }

    /// Finds out what is kept on this machine. Where that cannot be told, nothing is.
    pub async fn renew_shelf(self) {
        let mut shelf = library::kept().await.unwrap_or_default();
        // The page's own models are on their way by themselves.
        self.catalogue.peek(|catalogue| {
            let own = |source: &str| catalogue.models.iter().any(|model| model.name == source);
            shelf.partial.retain(|partial| !own(&partial.source));
        });
        self.shelf.put(shelf);
    }

    /// Takes the BART that is asked for, where this site or this machine has it, or else the site's first. It is loaded where
    /// the one before it was.
    pub fn choose_writer(self) {
        let writers = self.catalogue.peek(|catalogue| catalogue.writers());
        let wanted = self.wanted.now();
        let wanted = wanted.filter(|name| writers.contains(name) || self.keeps(name));
        let Some(name) = wanted.or_else(|| writers.into_iter().next()) else {
            return;
        };
        change(self.bart, name);
    }

    /// Takes the BERT that is asked for, where this machine keeps it, or else the site's own.
    pub fn choose_reader(self) {
        let wanted = self.reader.now().filter(|name| self.keeps(name));
        change(self.bert, wanted.unwrap_or_else(|| BERT.to_owned()));
    }

    /// Puts the page's own models back in the place of those that are kept no more.
    pub fn let_go(self) {
        for wanted in [self.reader, self.wanted] {
            let gone = |name: &String| name.starts_with(STORED) && !self.keeps(name);
            if wanted.peek(|name| name.as_ref().is_some_and(gone)) {
                wanted.set(None);
            }
        }
        self.choose_reader();
        self.choose_writer();
    }

    fn keeps(self, name: &str) -> bool {
        self.shelf.peek(|shelf| shelf.model(name).is_some())
    }

    /// Reads one attention of what the models answered last (tracked).
    pub fn attention<U>(self, place: Place, read: impl FnOnce(&Attention) -> U) -> Option<U> {
        let answer = match place {
            Place::Bert => self.bert_attention.answer,
            _ => self.bart_attention.answer,
        };
        answer.with(|answer| answer.as_ref()?.of(place).map(read))
    }

    /// Reads the attention of what the models answered last or, until they are here, of a recording (tracked).
    pub fn shown_attention<U>(
        self,
        place: Place,
        read: impl FnOnce(&Attention) -> U + Copy,
    ) -> Option<U> {
        self.attention(place, read)
            .or_else(|| self.recorded(place, read))
    }

    /// Reads the recorded attention that stands in for a model's while the model is on its way: on the very text that
    /// it would be asked about, with its own mask, every head and the settings of the page's opening (tracked).
    pub fn recorded<U>(self, place: Place, read: impl FnOnce(&Attention) -> U) -> Option<U> {
        let live = match place {
            Place::Bert => self.bert_attention.answer.with(Option::is_some),
            // Between two answers BART has none; the recording is for before it can write at all.
            _ => self.bart.info().is_some(),
        };
        let run = |run: &Recording| run.attentions.of(place).map(read);
        self.recording(place, run).filter(|_| !live).flatten()
    }

    /// BERT's guesses in the recording, while there are no others (tracked).
    pub fn recorded_fills(self) -> Option<Vec<FilledMask>> {
        let live = self.fills.answer.with(Option::is_some);
        self.recording(Place::Bert, |run| run.filled.clone())
            .filter(|_| !live)
    }

    /// Reads what BART writes or, until it is here, what it wrote in the recording (tracked).
    pub fn shown_draft<U>(self, read: impl FnOnce(&Draft) -> U) -> U {
        let idle = self.writing.draft.with(|draft| draft.stage == Stage::Idle);
        let recorded = self.recording(Place::Encoder, |run| run.draft.clone());
        match recorded.filter(|_| idle) {
            Some(draft) => read(&draft),
            None => self.writing.draft.with(read),
        }
    }

    /// Reads the recording that says what the model at `place` would say to what the page asks now (tracked).
    fn recording<U>(self, place: Place, read: impl FnOnce(&Recording) -> U) -> Option<U> {
        let (name, text, task) = match place {
            Place::Bert => {
                let own = self.sight.with(Sight::as_trained) && self.bert_off.with(Option::is_none);
                let text = self.sentence.with(Sentence::beginning).filter(|_| own)?;
                (self.bert.name.get(), text, None)
            }
            _ => {
                let own = self.beams.get() == Self::BEAMS
                    && self.decoding.get() == Decoding::default()
                    && self.bart_off.with(Option::is_none);
                let text = self.source().filter(|_| own)?;
                (self.bart.name.get(), text, self.current_task())
            }
        };
        self.recordings.with(|runs| {
            let same = |run: &&Recording| run.model == name && run.text == text && run.task == task;
            runs.iter().find(same).map(read)
        })
    }

    /// [`Self::whole_grid`] of a recorded attention; until the reader chooses a head, of the most telling one.
    pub fn recorded_grid(self, place: Place) -> Option<Grid> {
        let (layer, head) = self.shown_lens(place);
        self.recorded(place, |attention| attention.grid(layer, head))
    }

    /// Layer and head that are shown: while a recording is, and until the reader chooses, its most telling one (tracked).
    pub fn shown_lens(self, place: Place) -> (usize, Head) {
        let lens = self.lens(place);
        let (chosen, layer, head) = (lens.chosen.get(), lens.layer.get(), lens.head.get());
        let telling_of = match place {
            Place::Bert => Place::Bert,
            _ => Place::Cross,
        };
        let telling = self.recorded(telling_of, Attention::most_telling).flatten();
        telling
            .filter(|_| !chosen)
            .map_or((layer, head), |(layer, head)| (layer, Head::One(head)))
    }

    /// Layer and head at which an attention is shown.
    pub fn lens(self, place: Place) -> Lens {
        match place {
            Place::Bert => self.bert_lens,
            _ => self.bart_lens,
        }
    }

    /// The live matrix of one attention at its lens, token by token (tracked).
    pub fn whole_grid(self, place: Place) -> Option<Grid> {
        let lens = self.lens(place);
        self.attention(place, |attention| {
            attention.grid(lens.layer.get(), lens.head.get())
        })
    }

    /// [`Self::whole_grid`], unless BART is writing something else (tracked).
    pub fn settled_grid(self, place: Place) -> Option<Grid> {
        let stale = place != Place::Bert && self.writing.is_running();
        self.whole_grid(place).filter(|_| !stale)
    }

    /// [`Self::whole_grid`], as far as BART is shown to have written (tracked).
    pub fn grid(self, place: Place) -> Option<Grid> {
        self.whole_grid(place).map(|grid| self.written(place, grid))
    }

    /// What of an attention's grid there is when BART has written the rows that are shown (tracked).
    pub fn written(self, place: Place, grid: Grid) -> Grid {
        let (rows, columns) = self.extent(place);
        match (rows, columns) {
            (usize::MAX, usize::MAX) => grid,
            (rows, columns) => grid.corner(rows, columns),
        }
    }

    /// The rows and columns of an attention that are shown at most (tracked).
    pub fn extent(self, place: Place) -> (usize, usize) {
        let rows = self.rows.get().unwrap_or(usize::MAX);
        match place {
            Place::Decoder => (rows, rows),
            Place::Cross => (rows, usize::MAX),
            _ => (usize::MAX, usize::MAX),
        }
    }

    /// BERT as the reader has it, without the heads that are off, once it is ready (tracked).
    pub fn bert_model(self) -> Option<Model> {
        able(self.bert, self.bert_off)
    }

    /// BART in the same way (tracked).
    pub fn bart_model(self) -> Option<Model> {
        able(self.bart, self.bart_off)
    }

    /// What the engine is told about the heads of the model that `place` belongs to (tracked).
    pub fn heads_off(self, place: Place) -> Option<HeadsOff> {
        match place {
            Place::Bert => self.bert_off.get(),
            _ => self.bart_off.get(),
        }
    }

    /// Which heads of the layer that is shown at `place` are off, and how many it has (tracked).
    pub fn off_at(self, place: Place) -> (Vec<usize>, usize) {
        let place = self.attention_at(place);
        let shape = self.attention(place, |attention| (attention.layers(), attention.heads()));
        let (layers, heads) = shape.unwrap_or((0, 0));
        let layer = self.lens(place).layer.get().min(layers.saturating_sub(1));
        (self.off.with(|off| off_in(off, place, layer)), heads)
    }

    /// Whether what is shown at `place` is passed on to no one: the head, or all of the layer where their mean is shown
    /// (tracked).
    pub fn silent(self, place: Place) -> bool {
        let (off, heads) = self.off_at(place);
        match self.lens(self.attention_at(place)).head.get() {
            Head::Mean => heads > 0 && off.len() >= heads,
            Head::One(head) => off.contains(&head.min(heads.saturating_sub(1))),
        }
    }

    /// The attention whose head is shown at `place` (tracked).
    pub fn attention_at(self, place: Place) -> Place {
        match place {
            Place::Stages => self.part.get(),
            place => place,
        }
    }

    /// Lets BERT look in another way, in one step that can be taken back.
    pub fn look(self, sight: Sight) {
        if self.sight.peek(|now| *now != sight) {
            self.keep_sight();
            self.sight.set(sight);
        }
    }

    /// The step that can be taken back begins here.
    pub fn keep_sight(self) {
        let now = self.sight.now();
        self.sights.update(|sights| sights.keep(now));
    }

    /// Takes the last change of BERT's mask back.
    pub fn undo(self) {
        let now = self.sight.now();
        if let Some(before) = self.sights.update(|sights| sights.undo(now)) {
            self.sight.put(before);
        }
    }

    /// Makes the change again that was taken back last.
    pub fn redo(self) {
        let now = self.sight.now();
        if let Some(after) = self.sights.update(|sights| sights.redo(now)) {
            self.sight.put(after);
        }
    }

    /// Hides the word of BERT's text in which a token begins, or brings it back.
    pub fn hide_token(self, start: usize) {
        if let Some(word) = self.sentence.peek(|sentence| sentence.word_at(start)) {
            self.sentence.update(|sentence| sentence.toggle(word));
        }
    }

    /// Each model's answer chooses the head that is shown until the reader, or a link, chooses another: the one that
    /// points most sharply at words further away. A mean over heads blurs them all.
    fn open_lenses(self) {
        for place in [Place::Bert, Place::Cross] {
            let lens = self.lens(place);
            effect(move || {
                let telling = self.attention(place, Attention::most_telling).flatten();
                if let Some((layer, head)) = telling.filter(|_| !lens.chosen.get()) {
                    lens.choose(layer, Head::One(head));
                }
            });
        }
    }

    /// What the labs' fields hold, as far as it isn't what they hold at first (tracked).
    pub fn texts(self) -> Texts {
        std::array::from_fn(|at| {
            let text = self.fields[at].get();
            (text != FIELDS[at].opening).then_some(text)
        })
    }

    /// What BART is to do: the reader's choice where the model can do it, or else its first task.
    pub fn current_task(self) -> Option<String> {
        let tasks = self.tasks();
        let chosen = self.task.get().filter(|task| tasks.contains(task));
        chosen.or_else(|| tasks.into_iter().next())
    }

    /// What BART can do with the reader's sentence (tracked).
    pub fn tasks(self) -> Vec<String> {
        let mut tasks = match self.bart.info() {
            Some(info) => info.tasks.clone(),
            None => {
                let name = self.bart.name.get();
                self.catalogue.with(|catalogue| catalogue.tasks(&name))
            }
        };
        tasks.retain(|task| task != ANSWER);
        tasks
    }

    /// The place of the word that BART pronounces (tracked).
    pub fn spoken_word(self) -> Option<usize> {
        self.sentence.with(|sentence| {
            let words = sentence.words();
            let chosen = self.spoken.get().filter(|&index| index < words.len());
            chosen.or_else(|| sentence.salient_word())
        })
    }

    /// The text of the word at `index`; a hidden one is what BERT thinks of first, or what it hides.
    pub fn word_text(self, index: usize) -> Option<String> {
        self.sentence.with(|sentence| {
            let word = sentence.words().get(index)?.clone();
            if !word.hidden {
                return Some(sentence.text()[word.range].to_owned());
            }
            let mask = sentence.mask_index(index)?;
            let guess = self.fills.answer.with(|answer| {
                let candidates = &answer.as_ref()?.answer.get(mask)?.candidates;
                Some(candidates.first()?.text.trim().to_owned())
            });
            guess.or_else(|| sentence.original(mask).map(str::to_owned))
        })
    }

    /// Whether BART reads one word instead of the sentence; so it does until its model says otherwise (tracked).
    pub fn pronounces(self) -> bool {
        self.current_task().is_none_or(|task| task == PRONOUNCE)
    }

    /// What BART reads (tracked).
    pub fn source(self) -> Option<String> {
        if self.pronounces() {
            return self.word_text(self.spoken_word()?);
        }
        // Every model understands this spelling of the mask.
        let text = self.sentence.with(Sentence::masked);
        (!text.trim().is_empty()).then_some(text)
    }

    fn write_when_anything_changes(self) {
        let request = Derived::new(move || {
            let controls = GenerateOptions {
                task: self.current_task(),
                ..self.decoding.get().options(self.beams.get())
            };
            self.source().map(|source| (source, controls))
        });
        effect(move || match (self.bart_model(), request.get()) {
            (Some(model), Some((source, controls))) => {
                self.writing.start(model, source, controls);
            }
            _ => self.writing.clear(),
        });
    }
}

/// The model of a slot without the heads that are off, once it is ready (tracked).
fn able(slot: Slot, off: Derived<Option<HeadsOff>>) -> Option<Model> {
    let model = slot.model()?;
    Some(match off.get() {
        Some(heads) => model.without(heads),
        None => model,
    })
}

/// Puts another model into a place; it is loaded where the one before it was.
fn change(slot: Slot, name: String) {
    if slot.name.now() == name {
        return;
    }
    slot.name.set(name);
    if !slot.status.peek(|status| matches!(status, Status::Asleep)) {
        slot.load();
    }
}
