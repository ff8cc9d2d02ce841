//! What can happen to the model.

use crate::effect::Answer;
use crate::key::Key;

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// A key was pressed.
    Key(Key),
    /// Text was pasted.
    Paste(String),
    /// The terminal has a new size: columns and rows.
    Resize(u16, u16),
    /// The mouse was clicked on a cell.
    Click(u16, u16),
    /// The wheel was turned, by so many lines (negative: up).
    Wheel(isize),
    /// A worker answered.
    Answer(Answer),
    /// Time has passed while work is going on.
    Tick(Option<String>),
    /// The process should stop until continued.
    Suspend,
}
