//! placeholder
pub(crate) fn run(
    _a: &crate::more_args::Watch,
    _c: bool,
) -> Result<crate::answer::Answer, crate::failure::Failure> {
    Ok(crate::answer::Answer::default())
}
