//! What is wrong with the input in a form, in sentences.

use crate::domain::field::{Field, FieldProblem};
use crate::issuer::Refusal;

/// The sentence for a wrong user name or password.
pub const WRONG_CREDENTIALS: &str = "The user name or the password is wrong.";

/// The name of a field at the start of a sentence.
fn field_name(field: Field) -> &'static str {
    match field {
        Field::Username => "The user name",
        Field::Email => "The e-mail address",
        Field::Password | Field::NewPassword => "The password",
        Field::CurrentPassword => "The current password",
        Field::ResetCode => "The code",
    }
}

/// What is wrong with a field, as a sentence.
pub fn field_problem(field: Field, problem: FieldProblem) -> String {
    format!("{} {problem}.", field_name(field))
}

/// The sentence for a refusal that the form can show, so that the user can correct the input. `None` for a refusal that
/// needs an error page.
pub fn form_problem(refusal: &Refusal) -> Option<String> {
    match refusal {
        Refusal::Invalid(problems) => {
            let sentences: Vec<_> = problems.iter().map(|(field, problem)| field_problem(*field, *problem)).collect();
            Some(sentences.join(" "))
        }
        Refusal::Taken(field) => Some(format!("{} is taken.", field_name(*field))),
        Refusal::WrongCredentials(_) => Some(WRONG_CREDENTIALS.to_owned()),
        Refusal::NotSignedIn(_)
        | Refusal::ChangeRefused(_)
        | Refusal::EmailNotConfirmed
        | Refusal::RegistrationClosed
        | Refusal::RateLimited { .. }
        | Refusal::Busy(_)
        | Refusal::Fault(_) => None,
    }
}
