//! What the page reads of the catalogue, `models.json`: names, sizes and tasks to show before anything is loaded.

/// The models that this site carries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalogue {
    /// One entry per file.
    pub models: Vec<Entry>,
}

/// One model file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// By which it is asked for.
    pub name: String,
    /// Size of the file.
    pub bytes: u64,
    /// Generation tasks by name.
    pub tasks: Vec<String>,
}

/// Tasks that BART writes for, in the order in which the page prefers them.
const WRITING: [&str; 6] = [
    "denoise",
    "summarize",
    "continue",
    "answer",
    "translate",
    "pronounce",
];

impl Catalogue {
    /// Size of a model's file, where it is listed.
    pub fn bytes(&self, name: &str) -> Option<u64> {
        self.entry(name).map(|entry| entry.bytes)
    }

    /// What a model was made to do, where it is listed.
    pub fn tasks(&self, name: &str) -> Vec<String> {
        self.entry(name)
            .map_or_else(Vec::new, |entry| entry.tasks.clone())
    }

    /// Names of the models that write, the preferred one first.
    pub fn writers(&self) -> Vec<String> {
        let mut writers: Vec<String> = Vec::new();
        for task in WRITING {
            for entry in &self.models {
                let writes = entry.tasks.iter().any(|own| own == task);
                if writes && !writers.contains(&entry.name) {
                    writers.push(entry.name.clone());
                }
            }
        }
        writers
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.models.iter().find(|entry| entry.name == name)
    }
}

/// What a task does, in the words of a choice.
pub fn task_label(task: &str) -> &str {
    match task {
        "denoise" => "restore the text",
        "summarize" => "summarize",
        "continue" => "go on writing",
        "answer" => "answer",
        "translate" => "translate",
        "pronounce" => "pronounce a word",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, tasks: &[&str]) -> Entry {
        Entry {
            name: name.into(),
            bytes: 7,
            tasks: tasks.iter().map(|&task| task.into()).collect(),
        }
    }

    #[test]
    fn a_larger_bart_goes_before_the_one_that_pronounces() {
        let catalogue = Catalogue {
            models: vec![
                entry("bert", &["fill-mask"]),
                entry("bart-g2p", &["pronounce"]),
                entry("bart", &["denoise", "summarize"]),
                entry("bart", &["denoise", "summarize"]),
            ],
        };
        assert_eq!(catalogue.writers(), ["bart", "bart-g2p"]);
        assert_eq!(catalogue.bytes("bart-g2p"), Some(7));
        assert_eq!(catalogue.bytes("gpt"), None);
        assert_eq!(catalogue.tasks("bart"), ["denoise", "summarize"]);
        assert!(catalogue.tasks("gpt").is_empty());
    }
}
