//! Writes the seeds to the corpora that `corpora unpack` has unpacked. Run from `tests/fuzz`:
//! `cargo run --example seeds`.

#[path = "../seeds.rs"]
mod seeds;

fn main() {
    for (target, name, bytes) in seeds::all() {
        let folder = std::path::Path::new("../../target/fuzz-corpora").join(target);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}
