//! Where the panes lie: at first, by preset, and as they were left the last time.
//!
//! What is remembered is a form of its own and not egui's, with panes by their names: a program that knows other panes keeps
//! what it knows, leaves out the rest, and puts the panes that are missing beside the others.

use std::collections::HashSet;

use egui_tiles::{Container, Linear, LinearDir, Tile, TileId, Tiles, Tree};
use serde::{Deserialize, Serialize};

use super::pane::Pane;

/// An arrangement with a purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// The text above, everything about the selected step in tabs below: that of a first start.
    Explore,
    /// Text, pipeline and curve at once, for those who look on.
    Teach,
    /// The text alone as far as it goes, and the rest small below.
    Chat,
}

impl Preset {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Explore, Self::Teach, Self::Chat];

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Explore => "Explore",
            Self::Teach => "Teach",
            Self::Chat => "Chat",
        }
    }

    /// What it is for.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Explore => "As at first: the text above, everything about the selected step in tabs below",
            Self::Teach => "Text, pipeline and curve at once",
            Self::Chat => "Much room for the text; the selected step's numbers are put away",
        }
    }

    /// The panes in their places: those of the run above, and those of the selected step in the last group of tabs, with
    /// all that are not named.
    pub(super) fn tree(self) -> Tree<Pane> {
        let tabs = |panes: &[Pane]| Place::Tabs {
            active: 0,
            inside: panes.iter().map(|&pane| named(pane)).collect(),
        };
        let run = || tabs(&[Pane::Text, Pane::Lanes, Pane::Phases, Pane::Cache]);
        let place = match self {
            Self::Explore => Place::Column(vec![(0.42, run()), (0.58, tabs(&[Pane::Pipeline]))]),
            Self::Teach => {
                let below = vec![(0.58, tabs(&[Pane::Pipeline])), (0.42, tabs(&[Pane::Curve]))];
                Place::Column(vec![(0.38, run()), (0.62, Place::Row(below))])
            }
            Self::Chat => Place::Column(vec![(0.76, run()), (0.24, tabs(&[Pane::Pipeline]))]),
        };
        place.tree()
    }

    /// The one whose panes lie as in a tree, whichever tabs are in front. Panes that a person moved are of none.
    pub(super) fn of(tree: &Tree<Pane>) -> Option<Self> {
        let place = Place::of(tree)?.without_fronts();
        let as_in =
            |preset: &Self| Place::of(&preset.tree()).map(Place::without_fronts).as_ref() == Some(&place);
        Self::ALL.into_iter().find(as_in)
    }

    /// Whether the selected step's numbers are shown beside the centre.
    pub(super) fn inspector(self) -> bool {
        self != Self::Chat
    }
}

/// A part of the centre, as it is remembered; numbers are shares of the room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Place {
    /// A pane by its name.
    Pane(String),
    /// Panes behind each other.
    Tabs {
        /// Which one is in front.
        active: usize,
        /// What lies in it.
        inside: Vec<Place>,
    },
    /// Side by side.
    Row(Vec<(f32, Place)>),
    /// One above the other.
    Column(Vec<(f32, Place)>),
}

impl Place {
    /// How the panes of a tree lie.
    pub(super) fn of(tree: &Tree<Pane>) -> Option<Self> {
        Self::of_tile(&tree.tiles, tree.root?)
    }

    /// The same with the first tabs in front.
    fn without_fronts(self) -> Self {
        let shared = |inside: Vec<(f32, Self)>| {
            inside.into_iter().map(|(share, place)| (share, place.without_fronts())).collect()
        };
        match self {
            Self::Pane(name) => Self::Pane(name),
            Self::Tabs { inside, .. } => {
                Self::Tabs { active: 0, inside: inside.into_iter().map(Self::without_fronts).collect() }
            }
            Self::Row(inside) => Self::Row(shared(inside)),
            Self::Column(inside) => Self::Column(shared(inside)),
        }
    }

    fn of_tile(tiles: &Tiles<Pane>, tile: TileId) -> Option<Self> {
        let shared = |linear: &Linear| {
            let inside = linear.children.iter();
            inside.filter_map(|&child| Some((linear.shares[child], Self::of_tile(tiles, child)?))).collect()
        };
        Some(match tiles.get(tile)? {
            Tile::Pane(pane) => named(*pane),
            Tile::Container(Container::Tabs(tabs)) => Self::Tabs {
                active: tabs
                    .children
                    .iter()
                    .position(|&child| Some(child) == tabs.active)
                    .unwrap_or_default(),
                inside: tabs.children.iter().filter_map(|&child| Self::of_tile(tiles, child)).collect(),
            },
            Tile::Container(Container::Linear(linear)) => match linear.dir {
                LinearDir::Horizontal => Self::Row(shared(linear)),
                LinearDir::Vertical => Self::Column(shared(linear)),
            },
            // No hand makes one here: egui offers it where panes are dropped on a grid.
            Tile::Container(Container::Grid(grid)) => Self::Row(
                grid.children().filter_map(|&child| Some((1.0, Self::of_tile(tiles, child)?))).collect(),
            ),
        })
    }

    /// A tree with every pane of this program in it, each once.
    pub(super) fn tree(&self) -> Tree<Pane> {
        let mut tiles = Tiles::default();
        let mut placed = HashSet::new();
        let root = self.put(&mut tiles, &mut placed);
        let missing: Vec<Pane> =
            Pane::ALL.into_iter().filter(|pane| !placed.contains(pane.title(None))).collect();
        let root = root.unwrap_or_else(|| tiles.insert_tab_tile(Vec::new()));
        let group = last_tabs(&tiles, root);
        let children: Vec<TileId> = missing.into_iter().map(|pane| tiles.insert_pane(pane)).collect();
        let mut tree = Tree::new(egui::Id::unique("centre"), root, tiles);
        match group.and_then(|group| tree.tiles.get_mut(group)) {
            Some(Tile::Container(Container::Tabs(tabs))) => {
                for child in children {
                    tabs.add_child(child);
                }
                tabs.active = tabs.active.or(tabs.children.first().copied());
            }
            _ if children.is_empty() => {}
            _ => {
                let rest = tree.tiles.insert_tab_tile(children);
                tree.root = Some(tree.tiles.insert_vertical_tile(vec![root, rest]));
            }
        }
        tree
    }

    /// Puts what is known of it into the tiles.
    fn put(&self, tiles: &mut Tiles<Pane>, placed: &mut HashSet<&'static str>) -> Option<TileId> {
        match self {
            Self::Pane(name) => {
                let pane = Pane::ALL.into_iter().find(|pane| pane.title(None) == name)?;
                placed.insert(pane.title(None)).then(|| tiles.insert_pane(pane))
            }
            Self::Tabs { active, inside } => {
                let children: Vec<(usize, TileId)> = (0..)
                    .zip(inside)
                    .filter_map(|(index, place)| Some((index, place.put(tiles, placed)?)))
                    .collect();
                let front = children.iter().find(|(index, _)| index == active).or(children.first())?.1;
                let tile = tiles.insert_tab_tile(children.iter().map(|&(_, child)| child).collect());
                if let Some(Tile::Container(Container::Tabs(tabs))) = tiles.get_mut(tile) {
                    tabs.set_active(front);
                }
                Some(tile)
            }
            Self::Row(inside) => put_shared(inside, LinearDir::Horizontal, tiles, placed),
            Self::Column(inside) => put_shared(inside, LinearDir::Vertical, tiles, placed),
        }
    }
}

fn put_shared(
    inside: &[(f32, Place)],
    dir: LinearDir,
    tiles: &mut Tiles<Pane>,
    placed: &mut HashSet<&'static str>,
) -> Option<TileId> {
    let children: Vec<(f32, TileId)> =
        inside.iter().filter_map(|(share, place)| Some((*share, place.put(tiles, placed)?))).collect();
    if children.is_empty() {
        return None;
    }
    let mut linear = Linear::new(dir, children.iter().map(|&(_, child)| child).collect());
    for (share, child) in children {
        // What is no share of anything would swallow the others, or vanish.
        let share = if share.is_finite() { share.clamp(0.05, 100.0) } else { 1.0 };
        linear.shares.set_share(child, share);
    }
    Some(tiles.insert_container(linear))
}

fn named(pane: Pane) -> Place {
    Place::Pane(pane.title(None).to_owned())
}

/// The last group of tabs below a tile.
fn last_tabs(tiles: &Tiles<Pane>, tile: TileId) -> Option<TileId> {
    match tiles.get(tile)? {
        Tile::Container(Container::Tabs(_)) => Some(tile),
        Tile::Container(container) => {
            let children: Vec<TileId> = container.children().copied().collect();
            children.into_iter().rev().find_map(|child| last_tabs(tiles, child))
        }
        Tile::Pane(_) => None,
    }
}

/// Brings a pane to the front.
pub(super) fn show(tree: &mut Tree<Pane>, pane: Pane) {
    tree.make_active(|_, tile| matches!(tile, Tile::Pane(one) if *one == pane));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The panes of a tree, each as often as it is in it and reachable.
    fn panes(tree: &Tree<Pane>) -> Vec<Pane> {
        let tiles = tree.active_tiles().into_iter().chain(tree.tiles.tile_ids());
        let mut seen = HashSet::new();
        let mut panes: Vec<Pane> = tiles
            .filter(|tile| seen.insert(*tile))
            .filter_map(|tile| match tree.tiles.get(tile) {
                Some(Tile::Pane(pane)) if tree.tiles.parent_of(tile).is_some() => Some(*pane),
                _ => None,
            })
            .collect();
        panes.sort_by_key(|pane| Pane::ALL.iter().position(|one| one == pane));
        panes
    }

    fn pane(name: &str) -> Place {
        Place::Pane(name.to_owned())
    }

    #[test]
    fn every_preset_has_every_pane_once_and_is_remembered_as_it_is() {
        for preset in Preset::ALL {
            let tree = preset.tree();
            assert_eq!(panes(&tree), Pane::ALL, "{preset:?}");
            let place = Place::of(&tree).expect("a tree");
            let written = serde_json::to_string(&place).expect("plain data");
            let read: Place = serde_json::from_str(&written).expect("what was written");
            assert_eq!(Place::of(&read.tree()), Some(place), "{preset:?}");
        }
    }

    #[test]
    fn what_is_remembered_of_another_version_keeps_what_fits() {
        // A pane that is no more, one twice, an empty group, a share that is none, and most panes missing.
        let tabs = |active, inside| Place::Tabs { active, inside };
        let old = Place::Row(vec![
            (f32::NAN, tabs(1, vec![pane("Hologram"), pane("Curve"), pane("Text")])),
            (0.0, tabs(7, vec![])),
            (-3.0, Place::Column(vec![(1e30, pane("Curve")), (0.5, tabs(0, vec![pane("Pipeline")]))])),
        ]);
        let tree = old.tree();
        assert_eq!(panes(&tree), Pane::ALL);
        let Some(Place::Row(row)) = Place::of(&tree) else {
            panic!("a row is a row: {:?}", Place::of(&tree))
        };
        assert_eq!(row[0].1, tabs(0, vec![pane("Curve"), pane("Text")]), "the pane in front stays in front");
        assert!(row.iter().all(|(share, _)| (0.05..=100.0).contains(share)));
        for nothing in [tabs(0, vec![]), pane("Hologram"), pane("Text"), Place::Row(vec![])] {
            assert_eq!(panes(&nothing.tree()), Pane::ALL, "{nothing:?}");
        }
    }
}
