//! The reader's own checkpoints: what one is before it is fetched, what is kept, and a shelf of known ones.

/// A checkpoint that has been looked at, and not yet fetched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Description {
    /// What its makers call it.
    pub name: String,
    /// `bert` or `bart`.
    pub architecture: String,
    /// As its configuration has it: `distilbert`, `mbart`.
    pub model_type: String,
    /// SPDX expression, where it says one.
    pub license: Option<String>,
    /// The revision that was looked at.
    pub revision: Option<String>,
    /// Stored numbers.
    pub parameters: u64,
    /// Heads and tasks by name.
    pub abilities: Vec<String>,
    /// Bytes over the network, or off the disk.
    pub download: u64,
    /// In which files.
    pub files: usize,
    /// What it can become.
    pub choices: Vec<Choice>,
}

/// A quantization on offer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    /// `Q8_0` and so on.
    pub quantization: String,
    /// Length of the file that is kept.
    pub bytes: u64,
    /// Memory that it takes when it is loaded.
    pub memory: u64,
    /// Whether it is kept already.
    pub stored: bool,
    /// Whether there is room for it.
    pub fits: bool,
    /// Why not.
    pub why: Option<String>,
}

impl Description {
    /// The choice that is made for the reader: Q8_0 where it fits, or the first that does.
    pub fn usual(&self) -> Option<usize> {
        let fits = |choice: &&Choice| choice.fits;
        let q8 = self
            .choices
            .iter()
            .position(|choice| choice.fits && choice.quantization == "Q8_0");
        q8.or_else(|| self.choices.iter().position(|choice| fits(&choice)))
    }
}

/// A model that the browser keeps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// By which it is loaded, exported and deleted.
    pub id: String,
    /// What its makers call it.
    pub name: String,
    /// `bert` or `bart`.
    pub architecture: String,
    /// `Q8_0` and so on.
    pub quantization: String,
    /// Length of the file.
    pub bytes: u64,
    /// Heads and tasks by name.
    pub abilities: Vec<String>,
    /// SPDX expression, where it says one.
    pub license: Option<String>,
    /// Where it comes from: what can be opened again.
    pub source: String,
    /// `catalogue`, `hub`, `url` or `file`.
    pub origin: String,
    /// When it was imported, and used last: ISO dates.
    pub imported: String,
    /// See `imported`.
    pub last_used: String,
}

impl Kept {
    /// By which the page loads it.
    pub fn address(&self) -> String {
        format!("{STORED}{}", self.id)
    }

    /// Its name and quantization, which together tell it from others.
    pub fn title(&self) -> String {
        format!("{} {}", self.name, self.quantization)
    }
}

/// What begins the name of a model that is kept.
pub const STORED: &str = "stored:";

/// An import that was stopped and can go on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Partial {
    /// By which it is forgotten.
    pub id: String,
    /// What its makers call it.
    pub name: String,
    /// What it is read from.
    pub source: String,
    /// What it becomes.
    pub quantization: String,
    /// Bytes that are here.
    pub loaded: u64,
    /// Bytes in all.
    pub total: u64,
}

/// Everything that the browser keeps for this site.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shelf {
    /// Whole models.
    pub models: Vec<Kept>,
    /// Imports that were stopped.
    pub partial: Vec<Partial>,
    /// Bytes that the site uses.
    pub usage: u64,
    /// Bytes that it may use.
    pub quota: u64,
    /// Whether the browser has promised to keep them.
    pub persisted: bool,
}

impl Shelf {
    /// The model that the page calls so.
    pub fn model(&self, address: &str) -> Option<&Kept> {
        let id = address.strip_prefix(STORED)?;
        self.models.iter().find(|model| model.id == id)
    }

    /// The models of an architecture that the reader has brought: those of the site are offered by name.
    pub fn brought(&self, architecture: &str) -> Vec<&Kept> {
        let models = self.models.iter();
        models
            .filter(|model| model.architecture == architecture && model.origin != "catalogue")
            .collect()
    }

    /// The same checkpoint in all the quantizations that are kept, that one among them.
    pub fn siblings(&self, model: &Kept) -> Vec<&Kept> {
        let same = |other: &&Kept| other.source == model.source && other.name == model.name;
        self.models.iter().filter(same).collect()
    }
}

/// A checkpoint that is known to work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Known {
    /// What it is good for.
    pub task: &'static str,
    /// Its place on the hub.
    pub id: &'static str,
    /// Its weights as its model page lists them, in megabytes.
    pub megabytes: u64,
    /// As its model page has it.
    pub license: &'static str,
}

/// The shelf: for each task one or two, small ones first.
pub const KNOWN: [Known; 9] = [
    known(
        "fill gaps",
        "distilbert/distilbert-base-uncased",
        268,
        "apache-2.0",
    ),
    known(
        "fill gaps",
        "google-bert/bert-base-uncased",
        440,
        "apache-2.0",
    ),
    known(
        "moods",
        "distilbert/distilbert-base-uncased-finetuned-sst-2-english",
        268,
        "apache-2.0",
    ),
    known("names", "dslim/bert-base-NER", 433, "mit"),
    known(
        "answers out of a text",
        "distilbert/distilbert-base-cased-distilled-squad",
        261,
        "apache-2.0",
    ),
    known(
        "likeness of sentences",
        "sentence-transformers/all-MiniLM-L6-v2",
        91,
        "apache-2.0",
    ),
    known("restore a text", "facebook/bart-base", 558, "apache-2.0"),
    known(
        "summaries",
        "sshleifer/distilbart-cnn-12-6",
        1222,
        "apache-2.0",
    ),
    known("summaries", "facebook/bart-large-cnn", 1625, "mit"),
];

const fn known(
    task: &'static str,
    id: &'static str,
    megabytes: u64,
    license: &'static str,
) -> Known {
    Known {
        task,
        id,
        megabytes,
        license,
    }
}

/// What the hub says of a known checkpoint that the shelf says otherwise, as a sentence.
pub fn contradiction(source: &str, found: &Description) -> Option<String> {
    let id = source.strip_prefix("hub:")?;
    let id = id.split_once('@').map_or(id, |(id, _)| id);
    let known = KNOWN.iter().find(|known| known.id == id)?;
    let megabytes = (found.download + 500_000) / 1_000_000;
    // The vocabulary comes along, and nothing else.
    let size =
        megabytes < known.megabytes || megabytes > known.megabytes + 8 + known.megabytes / 50;
    let license = found.license.as_deref() != Some(known.license);
    let mut differences = Vec::new();
    if size {
        differences.push(format!("{} MB, now {megabytes} MB", known.megabytes));
    }
    if license {
        let now = found.license.as_deref().unwrap_or("none");
        differences.push(format!("licence {}, now {now}", known.license));
    }
    (!differences.is_empty())
        .then(|| format!("The shelf knew it otherwise: {}.", differences.join("; ")))
}

/// What the reader has typed as a source: a hub's `owner/name`, perhaps with a revision, becomes `hub:…`; an address stays.
pub fn source_of(typed: &str) -> Option<String> {
    let typed = typed.trim();
    if typed.is_empty() {
        return None;
    }
    let hub = typed
        .strip_prefix("https://huggingface.co/")
        .filter(|rest| !rest.contains("/resolve/"));
    if let Some(rest) = hub {
        let mut parts = rest.trim_end_matches('/').splitn(4, '/');
        let (owner, name) = (parts.next()?, parts.next()?);
        let revision = match (parts.next(), parts.next()) {
            (Some("tree" | "blob"), Some(revision)) => format!("@{revision}"),
            _ => String::new(),
        };
        return Some(format!("hub:{owner}/{name}{revision}"));
    }
    let id = typed.split_once('@').map_or(typed, |(id, _)| id);
    let plain = |part: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(fits)
    };
    match id.split_once('/') {
        Some((owner, name)) if plain(owner) && plain(name) && !name.ends_with(".gguf") => {
            Some(format!("hub:{typed}"))
        }
        _ => Some(typed.to_owned()),
    }
}

/// Time left in words.
pub fn time_left(seconds: u64) -> String {
    match seconds {
        0..10 => "a few seconds left".into(),
        10..90 => format!("{seconds} s left"),
        _ => format!("{} min left", seconds.div_ceil(60)),
    }
}

/// The day of an ISO date.
pub fn day(date: &str) -> &str {
    date.split_once('T').map_or(date, |(day, _)| day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_becomes_a_source() {
        for (typed, source) in [
            (
                "google-bert/bert-base-uncased",
                "hub:google-bert/bert-base-uncased",
            ),
            (" dslim/bert-base-NER@v1 ", "hub:dslim/bert-base-NER@v1"),
            ("hub:facebook/bart-base", "hub:facebook/bart-base"),
            (
                "https://huggingface.co/facebook/bart-base",
                "hub:facebook/bart-base",
            ),
            (
                "https://huggingface.co/facebook/bart-base/tree/main",
                "hub:facebook/bart-base@main",
            ),
            (
                "https://example.org/models/bert/",
                "https://example.org/models/bert/",
            ),
            ("models/own.gguf", "models/own.gguf"),
            ("./models/own/", "./models/own/"),
        ] {
            assert_eq!(source_of(typed).as_deref(), Some(source), "{typed}");
        }
        assert_eq!(source_of("  "), None);
    }

    #[test]
    fn the_usual_choice_is_the_usual_one_where_it_fits() {
        let choice = |quantization: &str, fits| Choice {
            quantization: quantization.into(),
            fits,
            ..Choice::default()
        };
        let of = |choices| Description {
            choices,
            ..Description::default()
        };
        let both = of(vec![
            choice("F16", true),
            choice("Q8_0", true),
            choice("Q4_0", true),
        ]);
        assert_eq!(both.usual(), Some(1));
        assert_eq!(
            of(vec![choice("Q8_0", false), choice("Q4_0", true)]).usual(),
            Some(1)
        );
        assert_eq!(of(vec![choice("Q8_0", false)]).usual(), None);
    }

    #[test]
    fn the_shelf_says_where_the_hub_says_otherwise() {
        let found = |megabytes: u64, license: &str| Description {
            download: megabytes * 1_000_000,
            license: Some(license.into()),
            ..Description::default()
        };
        let source = "hub:google-bert/bert-base-uncased@main";
        assert_eq!(contradiction(source, &found(441, "apache-2.0")), None);
        let larger = contradiction(source, &found(500, "apache-2.0")).unwrap();
        assert!(larger.contains("440 MB, now 500 MB"), "{larger}");
        let other = contradiction(source, &found(440, "gpl-3.0")).unwrap();
        assert!(other.contains("apache-2.0, now gpl-3.0"), "{other}");
        assert_eq!(contradiction("hub:a/b", &found(1, "mit")), None);
        assert_eq!(contradiction("https://a.org/", &found(1, "mit")), None);
    }

    #[test]
    fn kept_models_are_found_by_what_the_page_calls_them() {
        let model = |id: &str, quantization: &str, origin: &str| Kept {
            id: id.into(),
            name: "tiny".into(),
            architecture: "bert".into(),
            quantization: quantization.into(),
            origin: origin.into(),
            source: "hub:a/tiny".into(),
            ..Kept::default()
        };
        let shelf = Shelf {
            models: vec![
                model("1", "Q8_0", "hub"),
                model("2", "F32", "hub"),
                model("3", "Q8_0", "catalogue"),
            ],
            ..Shelf::default()
        };
        let second = shelf.model("stored:2").unwrap();
        assert_eq!(second.address(), "stored:2");
        assert_eq!(shelf.siblings(second).len(), 3);
        assert_eq!(shelf.brought("bert").len(), 2);
        assert_eq!(shelf.brought("bart").len(), 0);
        assert_eq!(shelf.model("bert"), None);
    }

    #[test]
    fn times_and_days_are_short() {
        assert_eq!(time_left(3), "a few seconds left");
        assert_eq!(time_left(75), "75 s left");
        assert_eq!(time_left(121), "3 min left");
        assert_eq!(day("2026-11-24T21:00:00.000Z"), "2026-11-24");
    }
}
