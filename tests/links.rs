//! Links: each leads to a file that is there, and to a heading of it that is there. Without a network, so of the
//! addresses elsewhere only the form is checked.
//!
//! The pages are parsed by the parser that mdBook uses, with the options that it uses. Headings get the ids that
//! mdBook 0.5 gives them (`mdbook-html`, `add_header_links`); GitHub's are the same for what the pages hold.

use pulldown_cmark::{Event, LinkType, Options, Parser, Tag, TagEnd};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

#[path = "common/pages.rs"]
mod pages;

use pages::BOOK;

/// What a page leads to, and what in it can be led to.
#[derive(Default)]
struct Page {
    /// With the line of each.
    links: Vec<(usize, String)>,
    images: Vec<(usize, String)>,
    /// References without a definition, which are shown with their brackets.
    undefined: Vec<(usize, String)>,
    anchors: HashSet<String>,
}

impl Page {
    fn parse(text: &str) -> Self {
        let options = Options::ENABLE_TABLES
            | Options::ENABLE_FOOTNOTES
            | Options::ENABLE_STRIKETHROUGH
            | Options::ENABLE_TASKLISTS
            | Options::ENABLE_HEADING_ATTRIBUTES
            | Options::ENABLE_SMART_PUNCTUATION
            | Options::ENABLE_DEFINITION_LIST
            | Options::ENABLE_GFM;
        let line = |offset: usize| text[..offset].lines().count().max(1);
        let mut undefined = Vec::new();
        let mut page = Self::default();
        let mut made = HashSet::new();
        let mut heading: Option<(Option<String>, String)> = None;
        let on_undefined = |link: pulldown_cmark::BrokenLink<'_>| {
            // `[Unreleased]` and its like are brackets, and meant.
            if !matches!(link.link_type, LinkType::Shortcut | LinkType::ShortcutUnknown) {
                undefined.push((line(link.span.start), link.reference.to_string()));
            }
            None
        };
        let events =
            Parser::new_with_broken_link_callback(text, options, Some(on_undefined)).into_offset_iter();
        for (event, span) in events {
            match event {
                Event::Start(Tag::Heading { id, .. }) => {
                    heading = Some((id.map(|id| id.to_string()), String::new()))
                }
                Event::Start(Tag::DefinitionListTitle) => heading = Some((None, String::new())),
                Event::End(TagEnd::Heading(_) | TagEnd::DefinitionListTitle) => {
                    let (id, text) = heading.take().expect("what ends has begun");
                    page.anchors.insert(id.unwrap_or_else(|| unique(id_of(&text), &mut made)));
                }
                Event::Text(text) | Event::Code(text) => {
                    if let Some((_, heading)) = &mut heading {
                        heading.push_str(&text);
                    }
                }
                Event::Start(Tag::Link { dest_url, .. }) => {
                    page.links.push((line(span.start), dest_url.to_string()))
                }
                Event::Start(Tag::Image { dest_url, .. }) => {
                    page.images.push((line(span.start), dest_url.to_string()))
                }
                Event::Html(html) | Event::InlineHtml(html) => {
                    let at = line(span.start);
                    page.links.extend(attributes(&html, "href").map(|link| (at, link)));
                    page.images.extend(attributes(&html, "src").map(|image| (at, image)));
                    page.anchors.extend(attributes(&html, "id"));
                }
                _ => {}
            }
        }
        page.undefined = undefined;
        page
    }
}

/// What mdBook makes of the text of a heading.
fn id_of(text: &str) -> String {
    let lower = text.trim().to_lowercase();
    let kept = lower.chars().filter(|c| c.is_alphanumeric() || *c == '_' || *c == '-' || c.is_whitespace());
    kept.map(|c| if c.is_whitespace() { '-' } else { c }).collect()
}

/// The second heading of an id gets `-1` behind it, the third `-2`.
fn unique(id: String, made: &mut HashSet<String>) -> String {
    let numbered = (1..).map(|number| format!("{id}-{number}"));
    let free = std::iter::once(id.clone()).chain(numbered).find(|id| made.insert(id.clone()));
    free.expect("there are enough numbers")
}

/// The values of an attribute in a piece of HTML.
fn attributes<'a>(html: &'a str, name: &str) -> impl Iterator<Item = String> + use<'a> {
    let start = format!(" {name}=\"");
    html.match_indices(&start)
        .map(|(at, start)| html[at + start.len()..].split('"').next().unwrap_or_default().to_owned())
        .collect::<Vec<_>>()
        .into_iter()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Where a relative link of a page leads to, as a path from the root; `None` if it leaves the project.
fn target(page: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in Path::new(link).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(parts.pop()?),
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

#[test]
fn every_link_leads_somewhere() {
    let pages: BTreeMap<String, Page> =
        pages::all(&root()).into_iter().map(|(name, text)| (name, Page::parse(&text))).collect();
    let mut wrong = Vec::new();
    let mut checked = 0;
    for (name, page) in &pages {
        let in_book = name.starts_with(BOOK);
        for (line, reference) in &page.undefined {
            wrong.push(format!("{name}:{line}: [{reference}] is not defined"));
        }
        let links = page.links.iter().map(|link| (link, false));
        for ((line, link), image) in links.chain(page.images.iter().map(|link| (link, true))) {
            checked += 1;
            let mut complain = |what: &str| wrong.push(format!("{name}:{line}: `{link}` {what}"));
            if let Some((scheme, rest)) = link.split_once(':') {
                if scheme != "https" || !rest.starts_with("//") || rest.contains(char::is_whitespace) || image
                {
                    complain("is neither a path nor an https address of a page");
                }
                continue;
            }
            let (path, anchor) = link.split_once('#').map_or((&**link, None), |(path, id)| (path, Some(id)));
            let Some(target) = (if path.is_empty() { Some(name.clone()) } else { target(name, path) }) else {
                complain("leads out of the project");
                continue;
            };
            if !root().join(&target).exists() {
                complain("leads to no file");
            } else if in_book && !target.starts_with(BOOK) {
                complain("leads out of the book, which mdBook does not copy");
            } else if let Some(anchor) = anchor {
                match pages.get(&target) {
                    Some(target) if target.anchors.contains(anchor) => {}
                    Some(target) => {
                        let mut ids: Vec<&str> = target.anchors.iter().map(|id| &**id).collect();
                        ids.sort_unstable();
                        complain(&format!("leads to no heading; there are {ids:?}"));
                    }
                    None => complain("has an anchor in what is no page"),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(checked > 50, "only {checked} links were found");
}

/// `SUMMARY.md` names every chapter once, and `src/lib.rs` makes its listings doctests.
#[test]
fn every_chapter_is_in_the_summary_and_is_tested() {
    let chapters: BTreeSet<String> =
        pages::chapters(&root()).into_iter().filter(|chapter| !chapter.ends_with("/SUMMARY.md")).collect();
    let summary = fs::read_to_string(root().join(BOOK).join("SUMMARY.md")).unwrap();
    let mut named = BTreeSet::new();
    for (line, link) in Page::parse(&summary).links {
        let chapter = target(&format!("{BOOK}/SUMMARY.md"), &link).expect("chapters are below the summary");
        assert!(named.insert(chapter), "SUMMARY.md:{line}: {link} is there twice");
    }
    let unnamed: Vec<&String> = chapters.difference(&named).collect();
    assert!(unnamed.is_empty(), "SUMMARY.md does not name {unnamed:?}");

    let tested = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let tested: BTreeSet<String> = tested
        .split('"')
        .filter_map(|part| part.strip_prefix("../book/").map(|path| format!("book/{path}")))
        .collect();
    let missing: Vec<&String> = chapters.difference(&tested).collect();
    assert!(missing.is_empty(), "src/lib.rs does not name {missing:?}");
}

/// Each with what mdBook 0.5.4 made of it.
#[test]
fn ids_are_those_of_mdbook() {
    let page = Page::parse(
        "# Über `a.b()` & *more*\n## Again\n## Again\n## Named {#its-own}\n## It's 2 -- or \"3\"…\n\
         Title\n=====\n\nterm\n: what it is\n\n<a id=\"raw\"></a>\n",
    );
    let mut ids: Vec<&str> = page.anchors.iter().map(|id| &**id).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["again", "again-1", "its-2--or-3", "its-own", "raw", "term", "title", "über-ab--more"]);
}
