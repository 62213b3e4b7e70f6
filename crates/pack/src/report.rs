//! The table of errors: tensors that differ in their layer's number alone share a line.

use std::fmt;

use unmask_gguf::TensorType;
use unmask_pack::TensorReport;

struct Line {
    pattern: String,
    ty: TensorType,
    tensors: usize,
    max_error: f32,
    relative_rms_error: f64,
}

/// What each kind of tensor lost.
#[derive(Default)]
pub struct ErrorTable {
    lines: Vec<Line>,
    values: u64,
}

impl ErrorTable {
    /// Counts a tensor to its line.
    pub fn add(&mut self, tensor: &TensorReport) {
        self.values += tensor.info.shape.iter().map(|&n| n as u64).product::<u64>();
        let segment = |segment: &str| {
            if segment.bytes().all(|b| b.is_ascii_digit()) {
                "*"
            } else {
                segment
            }
            .to_owned()
        };
        let pattern = tensor
            .info
            .name
            .split('.')
            .map(segment)
            .collect::<Vec<_>>()
            .join(".");
        let ty = tensor.info.ty;
        let (max_error, relative_rms_error) = (tensor.max_error, tensor.relative_rms_error);
        match self
            .lines
            .iter_mut()
            .find(|line| line.pattern == pattern && line.ty == ty)
        {
            Some(line) => {
                line.tensors += 1;
                line.max_error = line.max_error.max(max_error);
                line.relative_rms_error = line.relative_rms_error.max(relative_rms_error);
            }
            None => self.lines.push(Line {
                pattern,
                ty,
                tensors: 1,
                max_error,
                relative_rms_error,
            }),
        }
    }

    /// How many values all tensors have together.
    pub fn values(&self) -> u64 {
        self.values
    }
}

impl fmt::Display for ErrorTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:>7}  {:>9}  {:>5}  tensors (the worst of each line)",
            "rms", "largest", "type"
        )?;
        for line in self.lines.iter().filter(|line| line.ty != TensorType::F32) {
            let (relative, largest) = (100.0 * line.relative_rms_error, line.max_error);
            let count = if line.tensors > 1 {
                format!(" ({})", line.tensors)
            } else {
                String::new()
            };
            writeln!(
                f,
                "{relative:>6.3}%  {largest:>9.6}  {:>5}  {}{count}",
                line.ty.name(),
                line.pattern
            )?;
        }
        let exact: usize = self
            .lines
            .iter()
            .filter(|line| line.ty == TensorType::F32)
            .map(|line| line.tensors)
            .sum();
        writeln!(f, "  exact          0    F32  {exact} others")
    }
}
