//! What tests of several starts and of waiting windows share.

use std::collections::HashMap;

use egui_kittest::kittest::Queryable;

use super::window::Window;

/// What a window keeps until the next start.
#[derive(Clone, Default)]
pub struct Kept(pub HashMap<String, String>);

impl eframe::Storage for Kept {
    fn get_string(&self, key: &str) -> Option<String> {
        self.0.get(key).cloned()
    }

    fn set_string(&mut self, key: &str, value: String) {
        self.0.insert(key.to_owned(), value);
    }

    fn remove_string(&mut self, key: &str) {
        self.0.remove(key);
    }

    fn flush(&mut self) {}
}

/// Lets the window settle; what spins or waits meanwhile asks for frames on end.
pub fn settle(window: &mut Window) {
    for _ in 0..4 {
        window.step();
    }
}

/// Presses what has this label.
pub fn click(window: &mut Window, label: &str) {
    window.get_by_label(label).click();
    settle(window);
}
