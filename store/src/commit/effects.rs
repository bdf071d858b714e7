//! What a commit is to do: the application's writes, and what it emits and sends.

use fanfare::{Clock, Command, Context, Draft, EncodeError, Event, Outgoing};

use crate::{CommitError, Write};

/// Collected by the builders of commits.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) writes: Vec<Named>,
    drafts: Vec<Result<Draft, EncodeError>>,
}

/// A write and what an error calls it.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) write: Write,
}

impl Effects {
    pub(crate) fn write(&mut self, name: Option<&str>, write: Write) {
        let name = name.unwrap_or(&write.table).to_owned();
        self.writes.push(Named { name, write });
    }

    pub(crate) fn emit<E: Event>(&mut self, event: &E) {
        self.drafts.push(Draft::event(event));
    }

    pub(crate) fn send<C: Command>(&mut self, command: &C) {
        self.drafts.push(Draft::command(command));
    }

    /// What a handling leads to: each has the id that follows from its cause and from its place
    /// among all that is emitted and sent, so that a repeat makes the same ones.
    pub(crate) fn caused_by(
        &mut self,
        context: &Context,
        clock: &Clock,
    ) -> Result<Vec<Outgoing>, CommitError> {
        let mut outgoing = Vec::with_capacity(self.drafts.len());
        for (ordinal, draft) in self.drafts.drain(..).enumerate() {
            let draft = draft?;
            context.check_declared(&draft)?;
            outgoing.push(draft.caused_by(context.envelope(), context.consumer(), ordinal, clock));
        }
        Ok(outgoing)
    }

    /// What starts chains of its own.
    pub(crate) fn first(&mut self, source: &str, clock: &Clock) -> Result<Vec<Outgoing>, CommitError> {
        self.drafts
            .drain(..)
            .map(|draft| Ok(draft?.first(source, clock)))
            .collect()
    }
}

/// The methods that every builder of a commit has.
macro_rules! effects {
    () => {
        /// Adds a write of the application's own: put, update, delete or check, on any table. It is
        /// named after its table where an error tells of it.
        pub fn write(mut self, write: impl Into<crate::Write>) -> Self {
            self.effects.write(None, write.into());
            self
        }

        /// Adds a write under a name, to tell it from others in
        /// [`CommitError::ConditionFailed`](crate::CommitError::ConditionFailed).
        pub fn write_as(mut self, name: &str, write: impl Into<crate::Write>) -> Self {
            self.effects.write(Some(name), write.into());
            self
        }

        /// Adds an event, to be published once the commit is made. That it can't be written, or was
        /// not declared, is an error of the commit.
        pub fn emit<E: fanfare::Event>(mut self, event: &E) -> Self {
            self.effects.emit(event);
            self
        }

        /// Adds a command, to be sent to its consumer once the commit is made; errors as for `emit`.
        pub fn send<C: fanfare::Command>(mut self, command: &C) -> Self {
            self.effects.send(command);
            self
        }
    };
}

pub(crate) use effects;
