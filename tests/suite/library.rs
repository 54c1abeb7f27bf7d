//! The models on this computer: found where other programs lay them, read once, never touched.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use logitscope::formats::Other;
use logitscope::library::{DeviceMemory, Environment, Facts, Fits, Origin, Seen, places};
use logitscope::user_folders::System;

use super::gguf_edit::Gguf;
use super::library_home::{Home, gguf, model, names};

#[cfg(unix)]
#[test]
fn the_cache_of_hugging_face_is_read_through_its_links() {
    let home = Home::new();
    let folder = super::support::fixture("families/llama-sharded");
    let files = ["config.json", "model.safetensors.index.json"].into_iter().map(str::to_owned);
    let shards = (1..=4).map(|shard| format!("model-0000{shard}-of-00004.safetensors"));
    let files: Vec<(String, Vec<u8>)> =
        files.chain(shards).map(|file| (file.clone(), fs::read(folder.join(file)).unwrap())).collect();
    let files: Vec<(&str, Vec<u8>)> =
        files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    home.put_repository("Märchen/Große Erzähler", "aaa111", &files);
    home.put_repository(
        "owner/tales-GGUF",
        "bbb222",
        &[("tale-Q8_0.gguf", gguf()), ("Q4/tale Q4.gguf", gguf())],
    );
    // An older snapshot than that of refs/main has another file.
    home.put(".cache/huggingface/hub/models--owner--tales-GGUF/snapshots/000old/old.gguf", &gguf());
    // Without links, as on Windows: the files themselves, and no refs.
    home.put(".cache/huggingface/hub/models--owner--copied/snapshots/ccc/copied.gguf", &gguf());
    home.put(".cache/huggingface/hub/datasets--owner--data/snapshots/ddd/model.gguf", &gguf());
    // A download that was never finished, and a repository with a tokenizer alone.
    home.put_repository(
        "owner/broken",
        "eee",
        &[("config.json", b"{}".to_vec()), ("model.safetensors", gguf())],
    );
    fs::remove_file(
        home.path().join(".cache/huggingface/hub/models--owner--broken/blobs/eee-model.safetensors"),
    )
    .unwrap();
    home.put_repository("owner/tokenizer", "fff", &[("tokenizer.json", b"{}".to_vec())]);

    let library = home.search();
    assert_eq!(
        names(&library.models),
        ["copied", "Märchen/Große Erzähler", "owner/broken", "tale Q4", "tale-Q8_0"],
        "{library:#?}"
    );
    let sharded = model(&library, "Märchen/Große Erzähler");
    assert!(sharded.opens() && sharded.found.origin == Origin::HuggingFace, "{sharded:?}");
    // config.json of the fixture; the shards' sizes on disk.
    assert_eq!(sharded.found.bytes, 14276 + 14040 + 12052 + 6180 + 1757);
    assert_eq!(sharded.facts.family_name.as_deref(), Some("Llama"));
    let broken = model(&library, "owner/broken").facts.problem.clone().unwrap_or_default();
    assert!(broken.contains("model.safetensors is a link that leads nowhere"), "{broken}");
}

#[test]
fn the_folders_of_the_other_programs_are_read() {
    let home = Home::new();
    home.put(".lmstudio/models/owner/tale-GGUF/tale-Q4_K_M.gguf", &gguf());
    home.put_family(".lmstudio/models/owner/tale-mlx", "llama-f32");
    home.put(".lmstudio/models/owner/tale-GGUF/downloading_tale.gguf.part", &gguf());
    let elsewhere = home.put("big disk/lm/models/owner/other-GGUF/ggml-model-f16.gguf", &gguf());
    let pointed = elsewhere.ancestors().nth(4).unwrap().to_owned();
    home.put(".lmstudio-home-pointer", format!("{}\n", pointed.display()).as_bytes());
    home.put(".cache/llama.cpp/owner_small-GGUF_small-q8.gguf", &gguf());
    home.put("jan/models/old-tale/old.gguf", &gguf());
    home.put(".local/share/Jan/data/llamacpp/models/janhq/Tale-v1/model.gguf", &gguf());
    home.put(".local/share/nomic.ai/GPT4All/Tale 3.gguf", &gguf());
    let library = home.search();
    let found: Vec<(&str, Origin)> =
        library.models.iter().map(|model| (model.found.name.as_str(), model.found.origin)).collect();
    assert_eq!(
        found,
        [
            ("old", Origin::Jan),
            ("other-GGUF/ggml-model-f16", Origin::LmStudio),
            ("owner/tale-mlx", Origin::LmStudio),
            ("small-q8", Origin::LlamaCpp),
            ("Tale 3", Origin::Gpt4All),
            ("tale-Q4_K_M", Origin::LmStudio),
            ("Tale-v1", Origin::Jan),
        ]
    );
    assert!(library.models.iter().all(|model| model.opens()), "{library:#?}");
    let need = model(&library, "Tale 3").facts.memory.expect("computed");
    assert!(need.bytes > 10_000 && need.context > 0, "{need:?}");
    let fits = |bytes, is_own| {
        let memory = DeviceMemory { bytes, is_own };
        model(&library, "Tale 3").facts.fits(Some(memory))
    };
    assert_eq!(fits(need.bytes, true), Some(Fits::Whole));
    assert_eq!(fits(need.bytes - 1, false), Some(Fits::Not), "all memory is the computer's");
    assert!(need.least_bytes.is_some());
    assert_eq!(model(&library, "Tale 3").facts.fits(None), None);
}

#[test]
fn manifests_name_the_layers_of_ollama() {
    let home = Home::new();
    let at = |digits: &str| format!(".ollama/models/blobs/sha256-{digits}");
    home.put(&at("aa11"), &gguf());
    home.put(&at("bb22"), &gguf());
    let tale = [("template", "sha256:cc"), ("model", "sha256:aa11"), ("projector", "sha256:bb22")];
    home.put_manifest("registry.ollama.ai/library/tale/latest", &tale);
    home.put_manifest("registry.ollama.ai/library/tale/1b", &tale);
    home.put_manifest("registry.ollama.ai/someone/tale/q4", &[("model", "sha256:bb22")]);
    home.put_manifest("hf.co/owner/tale-GGUF/Q4_K_M", &[("model", "sha256:bb22")]);
    home.put_manifest("registry.ollama.ai/library/gone/latest", &[("model", "sha256:dd44")]);
    home.put_manifest("registry.ollama.ai/library/cloud/latest", &[("template", "sha256:cc")]);
    home.put_manifest(
        "registry.ollama.ai/library/tuned/latest",
        &[("model", "sha256:aa11"), ("adapter", "sha256:bb22")],
    );
    home.put_manifest("registry.ollama.ai/library/evil/latest", &[("model", "sha256:../../../secret")]);
    home.put(".ollama/models/manifests/registry.ollama.ai/library/torn/latest", b"{\"layers\": [");
    let library = home.search();
    let (open, closed): (Vec<_>, Vec<_>) = library.models.iter().cloned().partition(|model| model.opens());
    assert_eq!(names(&open), ["hf.co/owner/tale-GGUF:Q4_K_M", "someone/tale:q4", "tale:1b", "tale:latest"]);
    assert_eq!(open[2].found.path, home.path().join(at("aa11")));
    assert_eq!(open[2].found.bytes, gguf().len() as u64);
    assert_eq!(names(&closed), ["cloud:latest", "evil:latest", "gone:latest", "torn:latest", "tuned:latest"]);
    for (model, reason) in
        closed.iter().zip(["no GGUF file", "SHA-256", "is missing", "cannot be read", "adapter"])
    {
        let problem = model.facts.problem.as_deref().unwrap_or_default();
        assert!(problem.contains(reason), "{}: {problem}", model.found.name);
    }
}

#[test]
fn what_is_no_language_model_is_told_apart() {
    let home = Home::new();
    let tale = Gguf::family("mistral");
    let file = |name: &str, file: &Gguf| drop(home.put(&format!("models/{name}.gguf"), &file.bytes()));
    file("lora", &tale.clone().with_text("general.type", "adapter"));
    file("mmproj-tale", &tale.clone().with_text("general.architecture", "clip"));
    file("bert", &tale.clone().with_text("general.architecture", "nomic-bert"));
    file("embedder", &tale.clone().with_whole("llama.pooling_type", 3));
    file("t5", &tale.clone().with_text("general.architecture", "t5"));
    file("tale", &tale);
    home.put("models/peft/adapter_config.json", b"{}");
    home.put("models/peft/adapter_model.safetensors", b"x");
    home.put("models/painter/model_index.json", b"{}");
    home.put_family("models/painter/unet", "llama-f32");
    home.put_family("models/sentences", "llama-f32");
    home.put("models/sentences/modules.json", b"[]");
    home.put_family("models/sentences/2_Dense", "llama-f32");
    let library =
        home.search_with(&[home.path().join("models")], &mut |path| logitscope::session::read_headers(path));
    assert_eq!(names(&library.models), ["tale"]);
    let others: Vec<(&str, Option<Other>)> =
        library.others.iter().map(|model| (model.found.name.as_str(), model.facts.other)).collect();
    assert_eq!(
        others,
        [
            ("bert", Some(Other::Embedding)),
            ("embedder", Some(Other::Embedding)),
            ("lora", Some(Other::Adapter)),
            ("mmproj-tale", Some(Other::ImagePart)),
            ("painter", Some(Other::ImageMaker)),
            ("peft", Some(Other::Adapter)),
            ("sentences", Some(Other::Embedding)),
            ("t5", Some(Other::Encoder)),
        ]
    );
}

#[test]
fn parts_are_one_model_and_broken_files_have_a_reason() {
    let home = Home::new();
    for part in 1..=3 {
        home.put(&format!("m/split-0000{part}-of-00003.gguf"), &gguf());
    }
    home.put("m/torn-00002-of-00002.gguf", &gguf());
    home.put("m/cut.gguf", &gguf()[..2000]);
    home.put("m/empty.gguf", b"");
    home.put("m/pickled/config.json", b"{}");
    home.put("m/pickled/pytorch_model.bin", b"x");
    home.put("m/no-config/model.safetensors", b"x");
    home.put("m/loose/lora-weights.safetensors", b"x");
    let library =
        home.search_with(&[home.path().join("m")], &mut |path| logitscope::session::read_headers(path));
    assert_eq!(names(&library.models), ["cut", "empty", "no-config", "pickled", "split", "torn"]);
    assert_eq!(model(&library, "split").found.bytes, 3 * gguf().len() as u64);
    assert!(model(&library, "split").found.path.ends_with("split-00001-of-00003.gguf"));
    let reasons = [
        ("cut", "cut short"),
        ("no-config", ""),
        ("pickled", "safetensors"),
        ("torn", "only 1 of its 2 parts"),
    ];
    for (name, reason) in reasons {
        let problem = model(&library, name).facts.problem.as_deref().expect("a reason");
        assert!(problem.contains(reason), "{name}: {problem}");
    }
}

#[cfg(unix)]
#[test]
fn loops_pipes_and_locked_folders_do_no_harm() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    home.put("m/a/tale.gguf", &gguf());
    home.link("m/a/again", "..");
    home.link("m/self.gguf", "self.gguf");
    home.link("m/linked.gguf", "a/tale.gguf");
    home.link("m/nowhere", "no/such/folder");
    let made = std::process::Command::new("mkfifo").arg(home.path().join("m/pipe.gguf")).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo");
    let deep = format!("m/{}deep.gguf", "d/".repeat(12));
    home.put(&deep, &gguf());
    home.put("m/locked/secret.gguf", &gguf());
    let locked = home.path().join("m/locked");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    let library =
        home.search_with(&[home.path().join("m")], &mut |path| logitscope::session::read_headers(path));
    // Who may read everything sees no lock.
    let is_locked = fs::read_dir(&locked).is_err();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o700)).unwrap();
    let mut expected = vec!["linked"];
    expected.extend((!is_locked).then_some("secret"));
    assert_eq!(names(&library.models), expected, "the same file once, by the name that comes first");
    assert!(library.cut, "what lies too deep is left out, and that is said");
    let refused = library.looked_into.iter().any(|looked| matches!(looked.seen, Seen::Unreadable(_)));
    assert_eq!(refused, is_locked);
}

#[test]
fn headers_are_read_once_and_nothing_in_the_folders_is_written() {
    let home = Home::new();
    let path = home.put(".lmstudio/models/o/r/tale.gguf", &gguf());
    home.put(".lmstudio/models/o/r/cut.gguf", &gguf()[..2000]);
    let before = home.everything(".lmstudio");
    let read = |home: &Home| {
        let mut paths: Vec<PathBuf> = Vec::new();
        let library = home.search_with(&[], &mut |path| {
            paths.push(path.to_owned());
            logitscope::session::read_headers(path)
        });
        (names(&library.models).join(" "), paths.len())
    };
    assert_eq!(read(&home), ("cut tale".to_owned(), 2));
    // What is broken may be mended without a change of its date.
    assert_eq!(read(&home), ("cut tale".to_owned(), 1));
    assert_eq!(home.everything(".lmstudio"), before, "nothing was written");
    let kept = home.path().join(".cache/logitscope/models.json");
    for broken in ["", "{", "[]", "{\"program\": \"0.0.0\", \"entries\": []}"] {
        fs::write(&kept, broken).unwrap();
        assert_eq!(read(&home).1, 2, "{broken}");
        assert_eq!(read(&home).1, 1, "it was written again after {broken}");
    }
    let later = fs::metadata(&path).unwrap().modified().unwrap() + Duration::from_secs(5);
    fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    assert_eq!(read(&home).1, 2, "a file that changed is read again");
    // A file in the place of the folder: nothing is kept, nothing fails.
    fs::remove_dir_all(home.path().join(".cache/logitscope")).unwrap();
    home.put(".cache/logitscope", b"x");
    assert_eq!((read(&home).1, read(&home).1), (2, 2));
}

#[test]
fn two_thousand_models_come_from_the_cache_in_a_moment() {
    let home = Home::new();
    let file = gguf();
    for index in 0..2000 {
        home.put(&format!(".lmstudio/models/owner-{}/tale-{index}/tale-{index}.gguf", index % 40), &file);
    }
    let facts = Facts { family: Some("tale".to_owned()), ..Facts::default() };
    assert_eq!(home.search_with(&[], &mut |_| facts.clone()).models.len(), 2000);
    let begun = Instant::now();
    let library = home.search_with(&[], &mut |path| panic!("{} is kept", path.display()));
    let seconds = begun.elapsed().as_secs_f64();
    println!("2,000 models from the cache: {seconds:.3} s");
    assert_eq!(library.models.len(), 2000);
    assert!(seconds < 5.0, "{seconds} s");
}

#[test]
fn every_system_has_its_places() {
    let home = PathBuf::from("/home/me");
    let folders = |system, variables: &[(&str, &str)]| -> Vec<String> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let environment = Environment { system, home: Some(home.clone()), variables };
        let places = places(&environment, &[PathBuf::from("~/mine"), PathBuf::from("~/mine")]);
        places.iter().map(|place| format!("{:?} {}", place.origin, place.folder.display())).collect()
    };
    assert_eq!(
        folders(System::MacOs, &[]),
        [
            "HuggingFace /home/me/.cache/huggingface/hub",
            "LmStudio /home/me/.lmstudio/models",
            "LmStudio /home/me/.cache/lm-studio/models",
            "Ollama /home/me/.ollama/models",
            "LlamaCpp /home/me/Library/Caches/llama.cpp",
            "Jan /home/me/Library/Application Support/Jan/data/llamacpp/models",
            "Jan /home/me/Library/Application Support/Jan/data/mlx/models",
            "Jan /home/me/Library/Application Support/Jan/data/models",
            "Jan /home/me/jan/models",
            "Gpt4All /home/me/Library/Application Support/nomic.ai/GPT4All",
            "Folder /home/me/mine",
        ]
    );
    let windows =
        folders(System::Windows, &[("LOCALAPPDATA", "/local"), ("APPDATA", "/roaming"), ("HF_HOME", "~/hf")]);
    for place in [
        "HuggingFace /home/me/hf/hub",
        "HuggingFace /home/me/.cache/huggingface/hub",
        "LlamaCpp /local/llama.cpp",
        "Jan /roaming/Jan/data/llamacpp/models",
        "Gpt4All /local/nomic.ai/GPT4All",
    ] {
        assert!(windows.iter().any(|known| known == place), "{place}: {windows:#?}");
    }
    let linux = folders(
        System::Linux,
        &[("HF_HUB_CACHE", "/hub"), ("XDG_CACHE_HOME", "/caches"), ("OLLAMA_MODELS", "/o")],
    );
    for place in [
        "HuggingFace /hub",
        "Ollama /o",
        "Ollama /home/me/.ollama/models",
        "Ollama /usr/share/ollama/.ollama/models",
        "LlamaCpp /caches/llama.cpp",
        "Jan /home/me/.local/share/Jan/data/llamacpp/models",
        "Gpt4All /home/me/.local/share/nomic.ai/GPT4All",
    ] {
        assert!(linux.iter().any(|known| known == place), "{place}: {linux:#?}");
    }
    assert!(places(&Environment::nothing(), &[]).is_empty());
}

#[test]
fn the_folder_of_text_generation_webui_is_looked_into_where_its_models_are() {
    let home = Home::new();
    home.put("webui/user_data/models/tale.gguf", &gguf());
    home.put("webui/installer_files/env/share/other.gguf", &gguf());
    let library = home.search_with(&[home.path().join("webui")], &mut |_| Facts::default());
    assert_eq!(names(&library.models), ["tale"]);
}
