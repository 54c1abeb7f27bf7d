//! Templates as minijinja parses them, in words that mean in minijinja what they mean in Jinja.
//!
//! Operators become calls of functions with Python's semantics, macros take arguments as Python does, and blocks
//! have the scopes that Jinja gives them. What minijinja has no words for is refused.

use minijinja::machinery::Span;
use minijinja::machinery::ast::*;
use minijinja::{Error, Value};

use super::lower_names::{all_name, statements_name};
use super::macros::Catches;
use super::syntax::{call, constant, name, refusal, scoped, unpackable};

/// The parameter of each macro that says which of its arguments were given. No template can name it.
const GIVEN: &str = "given arguments";
/// The macro that a call block makes of its body.
const CALLER: &str = "body of a call";

/// Names that a macro gets by other ways, or has to itself.
const OWN_NAMES: [&str; 5] = ["caller", "kwargs", "loop", "self", "varargs"];

/// What stands around a statement.
#[derive(Debug, Clone, Copy, Default)]
struct Around {
    /// A loop that `break` may leave.
    breakable: bool,
    /// Anything that has variables of its own.
    scope: bool,
}

/// Lowers a whole template.
pub(super) fn template<'a>(parsed: &Stmt<'a>, source: &str) -> Result<Stmt<'a>, Error> {
    let lowering = Lowering { source };
    match parsed {
        Stmt::Template(template) => {
            let children = lowering.body(&template.children, Around::default())?;
            Ok(Stmt::Template(Spanned::new(Template { children }, template.span())))
        }
        _ => Err(refusal("this is not a template", None)),
    }
}

pub(super) struct Lowering<'s> {
    source: &'s str,
}

impl Lowering<'_> {
    fn body<'a>(&self, statements: &[Stmt<'a>], around: Around) -> Result<Vec<Stmt<'a>>, Error> {
        let mut lowered = Vec::with_capacity(statements.len());
        for statement in statements {
            self.statement(statement, around, &mut lowered)?;
        }
        Ok(lowered)
    }

    fn statement<'a>(
        &self,
        statement: &Stmt<'a>,
        around: Around,
        to: &mut Vec<Stmt<'a>>,
    ) -> Result<(), Error> {
        let inside = Around { scope: true, ..around };
        let lowered = match statement {
            Stmt::EmitExpr(emit) => {
                Stmt::EmitExpr(Spanned::new(EmitExpr { expr: self.expression(&emit.expr)? }, emit.span()))
            }
            Stmt::EmitRaw(raw) => Stmt::EmitRaw(Spanned::new(EmitRaw { raw: raw.raw }, raw.span())),
            Stmt::ForLoop(node) => self.for_loop(node)?,
            Stmt::IfCond(node) => {
                let lowered = IfCond {
                    expr: self.expression(&node.expr)?,
                    true_body: self.body(&node.true_body, around)?,
                    false_body: self.body(&node.false_body, around)?,
                };
                Stmt::IfCond(Spanned::new(lowered, node.span()))
            }
            Stmt::WithBlock(node) => {
                // All values are computed before the first variable is there.
                let span = node.span();
                let (mut targets, mut values) = (Vec::new(), Vec::new());
                for (target, value) in &node.assignments {
                    targets.push(self.target(target)?);
                    values.push(unpackable(target, self.expression(value)?));
                }
                let targets = Expr::List(Spanned::new(List { items: targets }, span));
                let values = Expr::Tuple(Spanned::new(Tuple { items: values }, span));
                let assignments =
                    if node.assignments.is_empty() { Vec::new() } else { vec![(targets, values)] };
                Stmt::WithBlock(Spanned::new(
                    WithBlock { assignments, body: self.body(&node.body, inside)? },
                    span,
                ))
            }
            Stmt::Set(node) => {
                let expr = unpackable(&node.target, self.expression(&node.expr)?);
                let lowered = Set { target: self.target(&node.target)?, expr };
                Stmt::Set(Spanned::new(lowered, node.span()))
            }
            Stmt::SetBlock(node) => {
                let lowered = SetBlock {
                    target: self.target(&node.target)?,
                    filter: node.filter.as_ref().map(|filter| self.expression(filter)).transpose()?,
                    body: scoped(self.body(&node.body, inside)?, node.span()),
                };
                Stmt::SetBlock(Spanned::new(lowered, node.span()))
            }
            Stmt::AutoEscape(node) => {
                let enabled = self.expression(&node.enabled)?;
                let body = scoped(self.body(&node.body, inside)?, node.span());
                Stmt::AutoEscape(Spanned::new(AutoEscape { enabled, body }, node.span()))
            }
            Stmt::FilterBlock(node) => {
                let filter = self.expression(&node.filter)?;
                let body = scoped(self.body(&node.body, inside)?, node.span());
                Stmt::FilterBlock(Spanned::new(
                    FilterBlock { filter, filter_span: node.filter_span, body },
                    node.span(),
                ))
            }
            Stmt::Block(node) => {
                let tag = self.source.get(node.span().start_offset as usize..).unwrap_or_default();
                let is_scoped = tag.split("%}").next().is_some_and(|tag| tag.contains(" scoped"));
                if around.scope && !is_scoped {
                    return Err(refusal("blocks inside of scopes are not known here", Some(node.span())));
                }
                let body = self.body(&node.body, Around { breakable: false, scope: true })?;
                Stmt::Block(Spanned::new(
                    Block { name: node.name, required: node.required, body },
                    node.span(),
                ))
            }
            Stmt::Include(node) => {
                let lowered = Include { name: self.expression(&node.name)?, ignore_missing: false };
                Stmt::Include(Spanned::new(lowered, node.span()))
            }
            Stmt::Extends(node) => {
                Stmt::Extends(Spanned::new(Extends { name: self.expression(&node.name)? }, node.span()))
            }
            Stmt::Import(node) => {
                return Err(refusal("a template has no other to import", Some(node.span())));
            }
            Stmt::FromImport(node) => {
                return Err(refusal("a template has no other to import", Some(node.span())));
            }
            Stmt::Macro(node) => {
                self.macro_named(node, node.name, node.span(), to)?;
                return Ok(());
            }
            Stmt::CallBlock(node) => {
                let span = node.span();
                self.macro_named(&node.macro_decl, CALLER, span, to)?;
                let mut args = self.arguments(&node.call.args)?;
                args.push(CallArg::Kwarg("caller", name(CALLER, span)));
                let expr = Expr::Call(Spanned::new(
                    Call { expr: self.callee(&node.call.expr)?, args },
                    node.call.span(),
                ));
                Stmt::EmitExpr(Spanned::new(EmitExpr { expr }, node.call_expr_span))
            }
            Stmt::Continue(node) if around.breakable => Stmt::Continue(Spanned::new(Continue, node.span())),
            Stmt::Break(node) if around.breakable => Stmt::Break(Spanned::new(Break, node.span())),
            Stmt::Continue(node) => return Err(refusal("continue outside of a loop", Some(node.span()))),
            Stmt::Break(node) => return Err(refusal("break outside of a loop", Some(node.span()))),
            Stmt::Do(node) => return Err(refusal("unknown statement do", Some(node.span()))),
            Stmt::Template(node) => return Err(refusal("a template within a template", Some(node.span()))),
        };
        to.push(lowered);
        Ok(())
    }

    fn for_loop<'a>(&self, node: &Spanned<ForLoop<'a>>) -> Result<Stmt<'a>, Error> {
        if node.recursive && !node.else_body.is_empty() {
            return Err(refusal("recursive loops with else are not known here", Some(node.span())));
        }
        let span = node.span();
        let inside = Around { breakable: true, scope: true };
        let lowered = ForLoop {
            target: self.target(&node.target)?,
            iter: call("iterate", vec![self.expression(&node.iter)?], span),
            filter_expr: node.filter_expr.as_ref().map(|filter| self.expression(filter)).transpose()?,
            recursive: node.recursive,
            body: self.body(&node.body, inside)?,
            else_body: self.body(&node.else_body, Around { breakable: false, scope: true })?,
        };
        Ok(Stmt::ForLoop(Spanned::new(lowered, span)))
    }

    /// A macro of minijinja's that gets all its arguments, and what makes a [`super::macros::Macro`] of it.
    fn macro_named<'a>(
        &self,
        node: &Spanned<Macro<'a>>,
        id: &'a str,
        span: Span,
        to: &mut Vec<Stmt<'a>>,
    ) -> Result<(), Error> {
        let mut names = Vec::new();
        for arg in &node.args {
            match arg {
                Expr::Var(var) if var.id == "caller" || names.contains(&var.id) => {
                    return Err(refusal(
                        format!("a macro cannot have the argument {} here", var.id),
                        Some(span),
                    ));
                }
                Expr::Var(var) => names.push(var.id),
                _ => return Err(refusal("a macro's arguments are names", Some(span))),
            }
        }
        if node.defaults.len() > names.len() {
            return Err(refusal("a macro has more defaults than arguments", Some(span)));
        }
        let mut body = Vec::new();
        for (index, default) in (names.len() - node.defaults.len()..).zip(&node.defaults) {
            let is_given = call("[]", vec![name(GIVEN, span), constant(index, span)], span);
            let missing = Expr::UnaryOp(Spanned::new(UnaryOp { op: UnaryOpKind::Not, expr: is_given }, span));
            let set = Set { target: name(names[index], span), expr: self.expression(default)? };
            let lowered = IfCond {
                expr: missing,
                true_body: vec![Stmt::Set(Spanned::new(set, span))],
                false_body: Vec::new(),
            };
            body.push(Stmt::IfCond(Spanned::new(lowered, span)));
        }
        body.extend(self.body(&node.body, Around { breakable: false, scope: true })?);
        let mut spoken_of = Vec::new();
        statements_name(&node.body, &mut spoken_of);
        all_name(&node.defaults, &mut spoken_of);
        // Whatever comes after, what is named first comes from outside: minijinja takes a name that is assigned
        // in a macro for the macro's own, even where it is not assigned yet.
        let outside = |id: &str| !OWN_NAMES.contains(&id) && !names.contains(&id);
        let from_outside = spoken_of.iter().filter(|id| outside(id)).map(|id| name(id, span)).collect();
        let list = Expr::List(Spanned::new(List { items: from_outside }, span));
        let emit = Stmt::EmitExpr(Spanned::new(EmitExpr { expr: list }, span));
        let never = IfCond { expr: constant(false, span), true_body: vec![emit], false_body: Vec::new() };
        body.insert(0, Stmt::IfCond(Spanned::new(never, span)));
        let speaks_of = |id: &str| !names.contains(&id) && spoken_of.contains(&id);
        let catches = Catches {
            varargs: speaks_of("varargs"),
            kwargs: speaks_of("kwargs"),
            caller: speaks_of("caller"),
        };
        let extra = [
            (true, GIVEN),
            (catches.caller, "caller"),
            (catches.kwargs, "kwargs"),
            (catches.varargs, "varargs"),
        ];
        let extra = extra.iter().filter(|(is, _)| *is).map(|(_, id)| *id);
        let args = names.iter().copied().chain(extra).map(|id| name(id, span)).collect();
        to.push(Stmt::Macro(Spanned::new(Macro { name: id, args, defaults: Vec::new(), body }, span)));
        let called = node.name;
        let names: Vec<Value> = names.into_iter().map(Value::from).collect();
        let arguments = vec![
            name(id, span),
            constant(called, span),
            constant(names, span),
            constant(catches.to_value(), span),
        ];
        let set = Set { target: name(id, span), expr: call("make macro", arguments, span) };
        to.push(Stmt::Set(Spanned::new(set, span)));
        Ok(())
    }
}
