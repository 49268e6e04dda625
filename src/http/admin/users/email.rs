//! The actions on a user's e-mail address that need no confirmation page: send another confirmation e-mail, or confirm
//! the address.

use axum::extract::State;

use super::user_path::UserPath;
use crate::http::admin::zone::Superuser;
use crate::http::context::Http;
use crate::http::web::checked::Checked;
use crate::http::web::page_error::PageResult;
use crate::issuer::Caller;
use crate::issuer::operator_email::{ConfirmForUser, SendConfirmation};

pub(super) async fn send_confirmation(
    State(http): State<Http>,
    from: Caller,
    user_path: UserPath,
    Checked { sender, .. }: Checked<Superuser>,
) -> PageResult {
    let sent = SendConfirmation { user: user_path.0, by: sender.operator(from) }.run(&http.issuer).await?;
    let message = format!("The confirmation e-mail to {sent} was queued.");
    Ok(sender.redirect_with_flash(&http, &user_path.page(), &message))
}

/// Confirms the address. This needs a step-up, as a change of the address does: password resets are sent to it, and
/// provider accounts are linked by it.
pub(super) async fn confirm(
    State(http): State<Http>,
    from: Caller,
    user_path: UserPath,
    Checked { sender, .. }: Checked<Superuser>,
) -> PageResult {
    if !sender.is_stepped_up(&http) {
        return Ok(sender.redirect_to_step_up(&http, &user_path.page()));
    }
    let confirmed = ConfirmForUser { user: user_path.0, by: sender.operator(from) }.run(&http.issuer).await?;
    Ok(sender.redirect_with_flash(&http, &user_path.page(), &format!("The address {confirmed} is confirmed.")))
}
