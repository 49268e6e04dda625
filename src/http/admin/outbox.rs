//! The section on e-mails: waiting, failed and sent e-mails, and previews of the e-mail templates.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _};
use axum::routing::{get, post};
use minijinja::context;
use minijinja::value::Value;

use crate::domain::duration::rounded_down;
use crate::domain::mail_item::MailId;
use crate::domain::time::Timestamp;
use crate::domain::user::Email;
use crate::http::admin::zone::{AdminPath, Superuser};
use crate::http::context::Http;
use crate::http::extract::query::{Query, link};
use crate::http::format::date_time;
use crate::http::pages::{Page, Pages};
use crate::http::web::checked::Checked;
use crate::http::web::headers::Framing;
use crate::http::web::page_error::{PageError, PageResult};
use crate::http::web::section::Section;
use crate::issuer::Caller;
use crate::issuer::admin::outbox::{RetryMail, SendTestMail, outbox, previews};
use crate::mail::TemplatePreview;
use crate::store::{MailCursor, MailListing, MailState};
use crate::template::TemplateError;

const PATH: &str = "/admin/mails";
const PAGE: AdminPath = AdminPath::fixed(PATH);
const RETRY: &str = "/admin/mails/retry";
const TEST: &str = "/admin/mails/test";
const TEMPLATES: &str = "/admin/mails/templates";
/// E-mails per page.
const PER_PAGE: u32 = 50;

/// The section.
pub const SECTION: Section = Section { title: "E-mails", path: PATH, routes, render_samples };

/// The routes of the outbox, the retry form, and the template previews.
fn routes() -> Router<Http> {
    Router::new()
        .route(PATH, get(page))
        .route(RETRY, post(retry))
        .route(TEST, post(test))
        .route(TEMPLATES, get(templates))
        .route("/admin/mails/templates/{name}", get(body))
}

/// Renders every page with its samples.
fn render_samples(pages: &Pages, frames: &[Value]) -> Result<(), TemplateError> {
    pages.render_framed_samples::<OutboxPage>(frames)?;
    pages.render_framed_samples::<TemplatesPage>(frames)
}

fn state_named(name: &str) -> Result<Option<MailState>, PageError> {
    match name {
        "" => Ok(None),
        "waiting" => Ok(Some(MailState::Waiting)),
        "sent" => Ok(Some(MailState::Sent)),
        "failed" => Ok(Some(MailState::Failed)),
        "expired" => Ok(Some(MailState::Expired)),
        _ => Err(PageError::NOT_FOUND),
    }
}

const fn state_name(state: MailState) -> &'static str {
    match state {
        MailState::Waiting => "waiting",
        MailState::Sent => "sent",
        MailState::Failed => "failed",
        MailState::Expired => "expired",
    }
}

async fn page(State(http): State<Http>, query: Query, superuser: Superuser) -> PageResult {
    let state = state_named(query.text("state"))?;
    let after = query.number("at").zip(query.number("id"));
    let after = after.map(|(at, id)| MailCursor { created_at: Timestamp::from_unix(at), id: MailId(id) });
    let page = OutboxPage::of(&http, state, after, TestForm::default()).await?;
    Ok(superuser.show(&http, StatusCode::OK, &page))
}

/// Sends a test e-mail, and waits for the reply of the mail server.
async fn test(State(http): State<Http>, from: Caller, Checked { sender, mut form }: Checked<Superuser>) -> PageResult {
    let text = form.text_or_empty("to").trim().to_owned();
    let show = async |status, to, error| {
        let page = OutboxPage::of(&http, None, None, TestForm { to, error }).await?;
        Ok(sender.show(&http, status, &page))
    };
    let Some(server) = http.issuer.mailer.server() else {
        let error = "No mail server is set, so e-mails are written to files. Set email.host.".to_owned();
        return show(StatusCode::CONFLICT, text, error).await;
    };
    let Ok(to) = Email::parse(&text) else {
        return show(StatusCode::BAD_REQUEST, text, "This is not an e-mail address.".to_owned()).await;
    };
    let by = sender.operator(from);
    match (SendTestMail { to, by }).run(&http.issuer).await? {
        Ok(()) => {
            let flash = format!("The mail server {server} accepted the test e-mail to {text}.");
            Ok(sender.redirect_with_flash(&http, &PAGE, &flash))
        }
        Err(error) => show(StatusCode::CONFLICT, text, error.to_string()).await,
    }
}

async fn retry(State(http): State<Http>, from: Caller, Checked { sender, mut form }: Checked<Superuser>) -> PageResult {
    let id = form.text_or_empty("id").parse().map(MailId).map_err(|_| PageError::NOT_FOUND)?;
    let by = sender.operator(from);
    RetryMail { id, by }.run(&http.issuer).await?;
    let flash = format!("E-mail {} is retried now. Reload this page in a moment.", id.0);
    Ok(sender.redirect_with_flash(&http, &PAGE, &flash))
}

async fn templates(State(http): State<Http>, superuser: Superuser) -> PageResult {
    let rendered = |preview: TemplatePreview| ShownTemplate {
        name: preview.template,
        subject: preview.rendered.subject.clone(),
        text: preview.rendered.text.clone(),
        own_files: preview.own_files.iter().map(|file| file.display().to_string()).collect(),
    };
    let page = TemplatesPage { templates: previews(&http.issuer)?.into_iter().map(rendered).collect() };
    let mut response = superuser.show(&http, StatusCode::OK, &page);
    response.extensions_mut().insert(Framing::HoldsFrames);
    Ok(response)
}

/// The HTML of an e-mail with sample values. The page with the templates shows it in a frame.
async fn body(State(http): State<Http>, Path(name): Path<String>, _: Superuser) -> PageResult {
    let preview = previews(&http.issuer)?.into_iter().find(|preview| preview.template == name);
    let preview = preview.ok_or(PageError::NOT_FOUND)?;
    let mut response = Html(preview.rendered.html.clone()).into_response();
    response.extensions_mut().insert(Framing::IsFramed);
    Ok(response)
}

/// The form that sends a test e-mail, and why the last attempt failed.
#[derive(Default)]
pub struct TestForm {
    to: String,
    error: String,
}

/// A page of the outbox.
pub struct OutboxPage {
    test: TestForm,
    now: Timestamp,
    state: Option<MailState>,
    mails: Vec<(MailListing, Option<String>)>,
    waiting: u64,
    next: Option<MailCursor>,
    is_first: bool,
}

impl OutboxPage {
    async fn of(
        http: &Http,
        state: Option<MailState>,
        after: Option<MailCursor>,
        test: TestForm,
    ) -> Result<Self, PageError> {
        let outbox = outbox(&http.issuer, state, after, PER_PAGE).await?;
        Ok(Self {
            test,
            now: http.issuer.clock.now(),
            state,
            mails: outbox.mails,
            waiting: outbox.waiting,
            next: outbox.next,
            is_first: after.is_none(),
        })
    }

    fn link(&self, more: &[(&str, &str)]) -> String {
        let state = self.state.map(state_name).unwrap_or_default();
        link(PATH, &[&[("state", state)], more].concat())
    }

    fn mail(&self, mail: &MailListing, to: Option<&str>) -> Value {
        let MailListing { id, template, state, created_at, due_at, expires_at, sent_at, attempts, last_error, .. } =
            mail;
        let is_being_sent = mail.claimed_until.is_some_and(|until| until > self.now);
        let waits = *state == MailState::Waiting && !is_being_sent;
        let what_next = match (state, due_at, sent_at, expires_at) {
            (MailState::Waiting, ..) if is_being_sent => "is being sent".to_owned(),
            (MailState::Waiting, Some(due), _, Some(expires_at)) if due == expires_at && *due > self.now => {
                format!("expires in {} without another attempt", rounded_down(due.since(self.now)))
            }
            (MailState::Waiting, Some(due), ..) if *due > self.now => {
                format!("next attempt in {}", rounded_down(due.since(self.now)))
            }
            (MailState::Waiting, ..) => "next attempt is due".to_owned(),
            (MailState::Sent, _, Some(at), _) => format!("sent {} UTC", date_time(*at)),
            (MailState::Expired, _, _, Some(at)) => format!("expired {} UTC", date_time(*at)),
            (MailState::Sent | MailState::Failed | MailState::Expired, ..) => String::new(),
        };
        context! {
            id => id.0,
            template,
            to,
            state => state_name(*state),
            created_at => date_time(*created_at),
            what_next,
            attempts,
            last_error,
            waits,
        }
    }
}

impl Page for OutboxPage {
    const TEMPLATE: &'static str = "admin/mails.html";

    fn context(&self) -> Value {
        let older = self.next.map(|next| {
            let at = next.created_at.unix().to_string();
            let id = next.id.0.to_string();
            self.link(&[("at", at.as_str()), ("id", id.as_str())])
        });
        let states = [MailState::Waiting, MailState::Failed, MailState::Expired, MailState::Sent].map(Some);
        let views = [None].into_iter().chain(states).map(|state| {
            let name = state.map_or("all", state_name);
            let path = link(PATH, &[("state", state.map(state_name).unwrap_or_default())]);
            context! { name, path, is_current => state == self.state }
        });
        let mails = self.mails.iter().map(|(mail, to)| self.mail(mail, to.as_deref()));
        context! {
            views => views.collect::<Value>(),
            mails => mails.collect::<Value>(),
            waiting => self.waiting,
            test => context! { to => self.test.to.as_str(), error => self.test.error.as_str() },
            older,
            newest => (!self.is_first).then(|| self.link(&[])),
        }
    }

    fn samples() -> Vec<Self> {
        let at = Timestamp::from_unix(1_700_000_000);
        let mail = |state, due_at, sent_at| {
            let listing = MailListing {
                id: MailId(7),
                template: "reset_code".to_owned(),
                state,
                created_at: at,
                due_at,
                expires_at: Some(at + std::time::Duration::from_mins(5)),
                claimed_until: None,
                sent_at,
                attempts: 2,
                last_error: Some("550 <b>no such mailbox</b>".to_owned()),
                sealed: None,
            };
            (listing, Some("a***@example.com".to_owned()))
        };
        let all = vec![
            mail(MailState::Waiting, Some(at + std::time::Duration::from_mins(5)), None),
            mail(MailState::Waiting, Some(at), None),
            mail(MailState::Failed, None, None),
            mail(MailState::Expired, None, None),
            mail(MailState::Sent, None, Some(at)),
        ];
        let next = Some(MailCursor { created_at: at, id: MailId(7) });
        let failed_test = TestForm { to: "<b>".to_owned(), error: "550 <b>no</b>".to_owned() };
        vec![
            Self {
                test: TestForm::default(),
                now: at,
                state: None,
                mails: vec![],
                waiting: 0,
                next: None,
                is_first: true,
            },
            Self {
                test: failed_test,
                now: at,
                state: Some(MailState::Failed),
                mails: all,
                waiting: 2,
                next,
                is_first: false,
            },
        ]
    }
}

/// An e-mail template rendered with sample values. Its HTML is a separate page.
pub struct ShownTemplate {
    name: &'static str,
    subject: String,
    text: String,
    own_files: Vec<String>,
}

/// The page with every e-mail template, rendered with sample values.
pub struct TemplatesPage {
    templates: Vec<ShownTemplate>,
}

impl Page for TemplatesPage {
    const TEMPLATE: &'static str = "admin/mail_templates.html";

    fn context(&self) -> Value {
        let templates = self.templates.iter().map(|template| {
            let ShownTemplate { name, subject, text, own_files } = template;
            context! { name => *name, subject, text, own_files }
        });
        context! { templates => templates.collect::<Value>() }
    }

    fn samples() -> Vec<Self> {
        let template = |own_files: Vec<String>| ShownTemplate {
            name: "reset_code",
            subject: "Your <b>code</b>".to_owned(),
            text: "Hello <b>anna</b>".to_owned(),
            own_files,
        };
        let files = vec!["/etc/countersign/templates/mail/reset_code/body.txt".to_owned()];
        vec![Self { templates: vec![template(vec![]), template(files)] }]
    }
}
