//! E-mail: its content, its encryption for the outbox, and its delivery.
//!
//! This module contains the templates, the encryption and the transports. The use cases decide which e-mails are sent.
//! The domain and the outbox job decide when a delivery is retried.

mod error;
mod mailer;
mod message;
mod site;
mod smtp;
mod template;
mod transport;

pub use error::{MailSetupError, PrepareError, SendError};
pub use mailer::{Mailer, MailerOptions};
pub use message::{RenderedMail, UnopenableMail, mask_address, open_mail, reseal_mail, seal_mail};
pub use smtp::{Smtp, SmtpAccount, SmtpOptions, TransportSecurity};
pub use template::{Mail, TemplatePreview, Templates};
pub use transport::Transport;
