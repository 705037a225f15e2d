//! Colours for the edges of a multigraph, so that no two edges of a vertex have the same one.
//!
//! Each edge takes the first colour that is free at both its ends. Where there is none, two colours are exchanged
//! along the chain that begins at one end (Kempe; the proof of Kőnig's theorem). In a bipartite graph that chain never
//! comes back to the other end, so that as many colours are enough as the busiest vertex has edges (Kőnig 1916). In any
//! other graph it may, and another pair of colours is tried, then one more colour is taken.
//!
//! `O(edges · (colours / 64 + longest chain · log colours))` time where a vertex gets its colours in rising order, as it
//! nearly does; `O(vertices · colours / 64 + edges)` memory.

use super::small as small_id;

/// How many pairs of colours are tried before one more colour is taken.
const PAIRS_MAX: usize = 64;

/// Edges with colours, by the places of the edges in the order they came.
pub(super) struct Colouring {
    edges: Vec<(u32, u32)>,
    colours: Vec<u32>,
    /// The edges of each vertex that have a colour, by colour.
    at: Vec<Vec<(u32, u32)>>,
    /// Which colours a vertex has, a bit for each, so many words for a vertex.
    taken: Vec<u64>,
    words: usize,
    /// How many colours there are.
    count: u32,
}

impl Colouring {
    /// Colours the edges of a graph of so many vertices; at least so many colours are used as equals among each other.
    pub(super) fn of(vertices: usize, edges: Vec<(u32, u32)>, least: u32) -> Self {
        let mut degrees = vec![0_u32; vertices];
        for (one, other) in &edges {
            degrees[*one as usize] += 1;
            degrees[*other as usize] += 1;
        }
        let count = degrees.iter().copied().max().unwrap_or(0).max(least);
        // The first free one is never beyond twice as many as the busiest vertex has edges.
        let words = count as usize / 32 + 1;
        let colours = vec![u32::MAX; edges.len()];
        let at = degrees.iter().map(|degree| Vec::with_capacity(*degree as usize)).collect();
        let taken = vec![0; vertices * words];
        let mut colouring = Self { edges, colours, at, taken, words, count };
        for edge in 0..small_id(colouring.edges.len()) {
            colouring.add(edge);
        }
        colouring
    }

    /// How many colours there are.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// The colour of each edge.
    pub(super) fn colours(&self) -> &[u32] {
        &self.colours
    }

    fn add(&mut self, edge: u32) {
        let [one, other] = self.ends(edge);
        let of_both = self.free(&[one, other]).next();
        if let Some(colour) = of_both {
            return self.paint(edge, colour);
        }
        let of_one: Vec<u32> = self.free(&[one]).take(PAIRS_MAX).collect();
        let of_other: Vec<u32> = self.free(&[other]).take(PAIRS_MAX).collect();
        let pairs = of_one.iter().flat_map(|a| of_other.iter().map(move |b| (*a, *b)));
        for (a, b) in pairs.take(PAIRS_MAX) {
            let (chain, end) = self.chain(other, a, b);
            if end != one {
                self.exchange(&chain, a, b);
                return self.paint(edge, a);
            }
        }
        let colour = self.count;
        self.count += 1;
        self.paint(edge, colour);
    }

    /// Colours that are free at all of these vertices, lowest first.
    fn free<'a>(&'a self, vertices: &'a [u32]) -> impl Iterator<Item = u32> + 'a {
        let taken = |word: usize| {
            let words = vertices.iter().map(|it| self.taken[*it as usize * self.words + word]);
            words.fold(0, |all, one| all | one)
        };
        let bits = (0..self.words).flat_map(move |word| {
            let mut free = !taken(word);
            std::iter::from_fn(move || {
                let bit = (free != 0).then(|| free.trailing_zeros())?;
                free &= free - 1;
                u32::try_from(word * 64).ok().map(|first| first + bit)
            })
        });
        bits.take_while(|colour| *colour < self.count)
    }

    /// The edges from a vertex on that have two colours by turns, the first of these first, and where they end.
    fn chain(&self, from: u32, first: u32, second: u32) -> (Vec<u32>, u32) {
        let (mut chain, mut vertex, mut colour) = (Vec::new(), from, first);
        while let Some(edge) = self.edge_at(vertex, colour) {
            chain.push(edge);
            let [one, other] = self.ends(edge);
            vertex = if one == vertex { other } else { one };
            colour = if colour == first { second } else { first };
        }
        (chain, vertex)
    }

    /// Exchanges two colours along a chain.
    fn exchange(&mut self, chain: &[u32], a: u32, b: u32) {
        for edge in chain {
            for vertex in self.ends(*edge) {
                self.unmark(vertex, self.colours[*edge as usize]);
            }
        }
        for edge in chain {
            let colour = if self.colours[*edge as usize] == a { b } else { a };
            self.paint(*edge, colour);
        }
    }

    fn ends(&self, edge: u32) -> [u32; 2] {
        let (one, other) = self.edges[edge as usize];
        [one, other]
    }

    fn paint(&mut self, edge: u32, colour: u32) {
        for vertex in self.ends(edge) {
            self.mark(vertex, colour, edge);
        }
        self.colours[edge as usize] = colour;
    }

    /// Which edge of a vertex has a colour.
    fn edge_at(&self, vertex: u32, colour: u32) -> Option<u32> {
        let edges = &self.at[vertex as usize];
        let place = edges.binary_search_by_key(&colour, |(colour, _)| *colour).ok()?;
        Some(edges[place].1)
    }

    fn mark(&mut self, vertex: u32, colour: u32, edge: u32) {
        let edges = &mut self.at[vertex as usize];
        edges.insert(edges.partition_point(|(it, _)| *it < colour), (colour, edge));
        self.taken[vertex as usize * self.words + colour as usize / 64] |= 1 << (colour % 64);
    }

    fn unmark(&mut self, vertex: u32, colour: u32) {
        let edges = &mut self.at[vertex as usize];
        if let Ok(place) = edges.binary_search_by_key(&colour, |(colour, _)| *colour) {
            edges.remove(place);
        }
        self.taken[vertex as usize * self.words + colour as usize / 64] &= !(1 << (colour % 64));
    }

    /// Evens the colours out, so that none has more than one edge more than another: along a chain of two colours that
    /// begins and ends with the more frequent one, exchanging them moves one edge over (de Werra 1971; McDiarmid 1972).
    pub(super) fn even_out(&mut self) {
        let mut by_colour = vec![Vec::new(); self.count as usize];
        for (edge, colour) in (0..).zip(&self.colours) {
            by_colour[*colour as usize].push(edge);
        }
        loop {
            let sizes =
                || by_colour.iter().enumerate().map(|(colour, edges)| (edges.len(), colour));
            let (Some((most, big)), Some((least, small))) = (sizes().max(), sizes().min()) else {
                return;
            };
            if most <= least + 1 {
                return;
            }
            let (a, b) = (small_id(big), small_id(small));
            let mut left = (most - least) / 2;
            for edge in by_colour[big].clone() {
                if left == 0 {
                    break;
                }
                if self.colours[edge as usize] != a {
                    continue;
                }
                left -= usize::from(self.hand_over(edge, a, b));
            }
            let mut both = std::mem::take(&mut by_colour[big]);
            both.append(&mut by_colour[small]);
            let colours = &self.colours;
            let (of_big, of_small) = both.into_iter().partition(|it| colours[*it as usize] == a);
            (by_colour[big], by_colour[small]) = (of_big, of_small);
        }
    }

    /// Exchanges two colours along the chain an edge of the first is the beginning of, if that moves one edge over.
    fn hand_over(&mut self, edge: u32, a: u32, b: u32) -> bool {
        let begins = self.ends(edge).into_iter().find(|it| self.edge_at(*it, b).is_none());
        let Some(begin) = begins else { return false };
        let (chain, _) = self.chain(begin, a, b);
        let moves_one = chain.len() % 2 == 1;
        if moves_one {
            self.exchange(&chain, a, b);
        }
        moves_one
    }
}
