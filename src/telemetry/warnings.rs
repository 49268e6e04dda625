//! The warnings of commands: what the log of a server contains at level WARN, in the form of the messages of a command.

use std::fmt;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Writes an event after a prefix, without its time, level and module.
struct PrefixedEvent(&'static str);

impl<S: Subscriber + for<'a> LookupSpan<'a>, N: for<'a> FormatFields<'a> + 'static> FormatEvent<S, N>
    for PrefixedEvent
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        write!(writer, "{}", self.0)?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

/// Prints warnings to stderr, each after `prefix`. Errors are not printed, because the command reports them itself.
pub fn print_warnings(prefix: &'static str) {
    let is_warning = filter_fn(|event| *event.level() == Level::WARN && event.target().starts_with("countersign"));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let lines = lines.event_format(PrefixedEvent(prefix)).with_filter(is_warning);
    // Fails only if a log was started before, which then prints the warnings.
    let _ = tracing_subscriber::registry().with(lines).try_init();
}
