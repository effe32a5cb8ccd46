//! Figures in Prometheus's text form.

use std::fmt::Write;

/// A text of figures, each with its help and type.
#[derive(Debug, Default)]
pub struct Metrics(String);

impl Metrics {
    /// A figure that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, help, "gauge");
        self.sample(name, "", "", value);
    }

    /// A sum that only grows.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, help, "counter");
        self.sample(name, "", "", value as f64);
    }

    /// One gauge for each value of a label. Labels are names of classes, clinics and targets:
    /// never of patients.
    pub fn by_label(&mut self, name: &str, help: &str, label: &str, values: &[(String, f64)]) {
        self.family(name, help, "gauge");
        for (of, value) in values {
            self.sample(name, label, of, *value);
        }
    }

    /// The text.
    #[must_use]
    pub fn text(self) -> String {
        self.0
    }

    fn family(&mut self, name: &str, help: &str, kind: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, label: &str, of: &str, value: f64) {
        let _ = match label {
            "" => writeln!(self.0, "{name} {value}"),
            _ => {
                let of = of
                    .replace('\\', "\\\\")
                    .replace('"', "\\\"")
                    .replace('\n', " ");
                writeln!(self.0, "{name}{{{label}=\"{of}\"}} {value}")
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_help_type_and_escaped_labels() {
        let mut metrics = Metrics::default();
        metrics.counter("karez_wire_bytes_total", "IP bytes.", 7);
        metrics.by_label("karez_x", "Some.", "clinic", &[("a\"b".into(), 0.5)]);
        assert_eq!(
            metrics.text(),
            "# HELP karez_wire_bytes_total IP bytes.\n# TYPE karez_wire_bytes_total counter\n\
             karez_wire_bytes_total 7\n# HELP karez_x Some.\n# TYPE karez_x gauge\n\
             karez_x{clinic=\"a\\\"b\"} 0.5\n"
        );
    }
}
