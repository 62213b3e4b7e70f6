//! What BART writes, token by token.

use leptos::prelude::*;
use unmask_protocol::Step;

use super::choice::Choice;
use super::error_note::ErrorNote;
use super::loading::Loading;
use super::word_strip::WordStrip;
use crate::page::Page;
use crate::state::catalogue::task_label;
use crate::state::format::percent;
use crate::state::sentence::Word;
use crate::writing::Stage;

/// The numbers of beams on offer: greedy, and the usual width.
const BEAMS: [usize; 2] = [1, 4];

/// BART's side of the page.
#[component]
pub fn BartPanel() -> impl IntoView {
    let page = Page::expect();
    let draft = page.writing.draft;
    let stage = move || draft.with(|draft| draft.stage);
    let tasks = Memo::new(move |_| {
        let tasks = page.bart.model().map(|model| model.info.tasks);
        tasks.unwrap_or_default()
    });
    let task_words = move || {
        tasks.with(|tasks| {
            let words = tasks.iter().map(|task| task_label(task).to_owned());
            words.collect::<Vec<_>>()
        })
    };
    let task = move || {
        let now = page.current_task()?;
        tasks.with(|tasks| tasks.iter().position(|task| *task == now))
    };
    let writers = Memo::new(move |_| page.catalogue.with(|catalogue| catalogue.writers()));
    let writer = move || {
        let now = page.bart.name.get();
        writers.with(|writers| writers.iter().position(|writer| *writer == now))
    };
    let pronounces = Memo::new(move |_| page.pronounces());
    let error = Signal::derive(move || draft.with(|draft| draft.error.clone()));
    view! {
            <article class="panel" aria-labelledby="bart-title">
                <h3 id="bart-title">
                    "BART " <span class="aside">"writes from left to right"</span>
                </h3>
                <Loading model=page.bart label="BART" />
                <Choice
                    legend="Model"
                    options=writers
                    value=Signal::derive(writer)
                    choose=move |index: usize| {
                        if let Some(name) = writers.with_untracked(|names| names.get(index).cloned()) {
                            page.bart.name.set(name);
                            page.bart.load();
                        }
                    }
                />
                <Choice
                    legend="Let it"
                    options=Signal::derive(task_words)
                    value=Signal::derive(task)
                    choose=move |index: usize| {
                        page.task.set(tasks.with_untracked(|tasks| tasks.get(index).cloned()));
                    }
                />
    {move || pronounces.get().then(|| view! { <SpokenWord /> })}
                <ErrorNote error retry=move |()| restart(page) />
                <Output />
                <div class="controls">
                    <Choice
                        legend="Beams"
                        options=BEAMS.map(|beams| beams.to_string()).to_vec()
                        value=Signal::derive(move || {
                            BEAMS.iter().position(|&beams| beams == page.beams.get())
                        })
                        choose=move |index: usize| page.beams.set(BEAMS[index])
                    />
                    <button
                        type="button"
                        hidden=move || stage() != Stage::Running
                        on:click=move |_| page.writing.stop()
                    >
                        "Stop"
                    </button>
                    <button
                        type="button"
                        hidden=move || matches!(stage(), Stage::Running | Stage::Idle)
                        on:click=move |_| restart(page)
                    >
                        "Write again"
                    </button>
                </div>
            </article>
        }
}

/// The one word that goes to a BART which knows nothing but words.
#[component]
fn SpokenWord() -> impl IntoView {
    let page = Page::expect();
    let word = move |index: usize, word: Word, spelled: String| {
        let text = move || match word.hidden {
            true => page.word_text(index).unwrap_or_else(|| "?".into()),
            false => spelled.clone(),
        };
        view! {
            <button
                type="button"
                class="word"
                class:guess=word.hidden
                aria-pressed=move || (page.spoken_word() == Some(index)).to_string()
                on:click=move |_| page.spoken.set(Some(index))
            >
                {text}
            </button>
        }
        .into_any()
    };
    view! {
        <p class="note">
            "This BART is a small one. It has learnt one thing: to read the letters of a word and write \
            down its sounds. The machinery is that of its larger sisters. Choose a word:"
        </p>
        <WordStrip label="Word to pronounce" word />
    }
}

/// Source and output, a token at a time.
#[component]
fn Output() -> impl IntoView {
    let page = Page::expect();
    let draft = page.writing.draft;
    let source = move || {
        let begun = draft.with(|draft| draft.source.clone());
        match begun.is_empty() {
            true => page.source().unwrap_or_default(),
            false => begun,
        }
    };
    let steps = move || draft.with(|draft| draft.steps.clone());
    let said = move || {
        draft.with(|draft| match draft.stage {
            Stage::Finished => format!("BART wrote: {}", draft.text()),
            Stage::Stopped => format!("Stopped after: {}", draft.text()),
            _ => String::new(),
        })
    };
    view! {
        <p class="written" data-stage=move || format!("{:?}", draft.with(|draft| draft.stage))>
            <span class="source">{source}</span>
            <span class="arrow" aria-hidden="true">" → "</span>
            <output>{move || draft.with(|draft| draft.text().to_owned())}</output>
        </p>
        <ol class="tokens" aria-label="Tokens written">
            {move || steps().into_iter().map(|step| view! { <Token step /> }).collect_view()}
        </ol>
        <p class="spoken-only" aria-live="polite">{said}</p>
    }
}

/// One written token and how sure the model was.
#[component]
fn Token(
    /// The step that wrote it.
    step: Step,
) -> impl IntoView {
    let text = step.token.replace('Ġ', " ");
    let text = match text.trim() {
        "" => "␣".to_owned(),
        text => text.to_owned(),
    };
    view! {
        <li>
            <span class="token">{text}</span>
            <span class="number">{percent(step.probability)}</span>
        </li>
    }
}

/// Writes the same once more.
fn restart(page: Page) {
    let (source, controls) = page
        .writing
        .draft
        .with_untracked(|draft| (draft.source.clone(), draft.controls.clone()));
    if let Some(model) = untrack(|| page.bart.model()) {
        page.writing.start(model, source, controls);
    }
}
