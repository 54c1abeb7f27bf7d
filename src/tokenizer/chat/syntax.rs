//! Pieces of minijinja's syntax trees.

use minijinja::machinery::Span;
use minijinja::machinery::ast::*;
use minijinja::{Error, ErrorKind, Value};

pub(super) fn refusal(reason: impl Into<String>, span: Option<Span>) -> Error {
    let place = span.map_or(String::new(), |span| format!("line {}: ", span.start_line));
    Error::new(ErrorKind::SyntaxError, place + &reason.into())
}

pub(super) fn name<'a>(id: &'a str, span: Span) -> Expr<'a> {
    Expr::Var(Spanned::new(Var { id }, span))
}

pub(super) fn constant<'a>(value: impl Into<Value>, span: Span) -> Expr<'a> {
    Expr::Const(Spanned::new(Const { value: value.into() }, span))
}

pub(super) fn call<'a>(function: &'a str, arguments: Vec<Expr<'a>>, span: Span) -> Expr<'a> {
    let args = arguments.into_iter().map(CallArg::Pos).collect();
    Expr::Call(Spanned::new(Call { expr: name(function, span), args }, span))
}

/// Statements with variables of their own.
pub(super) fn scoped<'a>(body: Vec<Stmt<'a>>, span: Span) -> Vec<Stmt<'a>> {
    vec![Stmt::WithBlock(Spanned::new(WithBlock { assignments: Vec::new(), body }, span))]
}

/// A value for several targets: texts go by character.
pub(super) fn unpackable<'a>(target: &Expr<'a>, value: Expr<'a>) -> Expr<'a> {
    let span = value.span();
    if matches!(target, Expr::List(_)) { call("iterate", vec![value], span) } else { value }
}
