//! Expressions of templates in minijinja's words; [`super::lower`] has the statements.

use minijinja::Error;
use minijinja::machinery::Span;
use minijinja::machinery::ast::*;

use super::lower::Lowering;
use super::syntax::{call, constant, name, refusal};

impl Lowering<'_> {
    /// What is assigned to: names, attributes of namespaces, or several of these.
    pub(super) fn target<'a>(&self, target: &Expr<'a>) -> Result<Expr<'a>, Error> {
        Ok(match target {
            Expr::Var(var) => name(var.id, var.span()),
            Expr::List(list) => {
                let items = list.items.iter().map(|item| self.target(item)).collect::<Result<_, _>>()?;
                Expr::List(Spanned::new(List { items }, list.span()))
            }
            Expr::GetAttr(attr) if attr.name.starts_with('_') => {
                return Err(refusal(
                    "a namespace has no names that begin with an underscore",
                    Some(attr.span()),
                ));
            }
            Expr::GetAttr(attr) => {
                let lowered = GetAttr { expr: self.target(&attr.expr)?, name: attr.name };
                Expr::GetAttr(Spanned::new(lowered, attr.span()))
            }
            other => return Err(refusal("nothing can be assigned here", Some(other.span()))),
        })
    }

    pub(super) fn all<'a>(&self, expressions: &[Expr<'a>]) -> Result<Vec<Expr<'a>>, Error> {
        expressions.iter().map(|expression| self.expression(expression)).collect()
    }

    pub(super) fn arguments<'a>(&self, arguments: &[CallArg<'a>]) -> Result<Vec<CallArg<'a>>, Error> {
        let lowered = arguments.iter().map(|argument| {
            Ok(match argument {
                CallArg::Pos(value) => CallArg::Pos(self.expression(value)?),
                CallArg::Kwarg(id, value) => CallArg::Kwarg(id, self.expression(value)?),
                CallArg::PosSplat(value) => {
                    let span = value.span();
                    CallArg::PosSplat(call("iterate", vec![self.expression(value)?], span))
                }
                CallArg::KwargSplat(value) => CallArg::KwargSplat(self.expression(value)?),
            })
        });
        lowered.collect()
    }

    /// What is called: a method stays one.
    pub(super) fn callee<'a>(&self, callee: &Expr<'a>) -> Result<Expr<'a>, Error> {
        match callee {
            Expr::GetAttr(attr) => {
                let lowered = GetAttr { expr: self.expression(&attr.expr)?, name: attr.name };
                Ok(Expr::GetAttr(Spanned::new(lowered, attr.span())))
            }
            other => self.expression(other),
        }
    }

    pub(super) fn expression<'a>(&self, expression: &Expr<'a>) -> Result<Expr<'a>, Error> {
        let span = expression.span();
        Ok(match expression {
            Expr::Var(var) => name(var.id, span),
            Expr::Const(node) => constant(node.value.clone(), span),
            Expr::Slice(node) => {
                let bound = |bound: &Option<Expr<'a>>| match bound {
                    Some(bound) => self.expression(bound),
                    None => Ok(constant((), span)),
                };
                let bounds = [bound(&node.start)?, bound(&node.stop)?, bound(&node.step)?];
                let arguments = std::iter::once(self.expression(&node.expr)?).chain(bounds).collect();
                call("[:]", arguments, span)
            }
            Expr::UnaryOp(node) => match node.op {
                UnaryOpKind::Not => {
                    let lowered = UnaryOp { op: UnaryOpKind::Not, expr: self.expression(&node.expr)? };
                    Expr::UnaryOp(Spanned::new(lowered, span))
                }
                UnaryOpKind::Neg => call("negative", vec![self.expression(&node.expr)?], span),
            },
            Expr::BinOp(node) => self.binary(node)?,
            Expr::Compare(node) => {
                let mut arguments = vec![self.expression(&node.expr)?];
                for link in &node.ops {
                    arguments.push(constant(comparison(link.op), span));
                    arguments.push(self.expression(&link.expr)?);
                }
                call("compare", arguments, span)
            }
            Expr::IfExpr(node) => {
                let lowered = IfExpr {
                    test_expr: self.expression(&node.test_expr)?,
                    true_expr: self.expression(&node.true_expr)?,
                    false_expr: node.false_expr.as_ref().map(|other| self.expression(other)).transpose()?,
                };
                Expr::IfExpr(Spanned::new(lowered, span))
            }
            Expr::Filter(node) => {
                let expr = node.expr.as_ref().map(|expr| self.expression(expr)).transpose()?;
                Expr::Filter(Spanned::new(
                    Filter { name: node.name, expr, args: self.arguments(&node.args)? },
                    span,
                ))
            }
            Expr::Test(node) => {
                let lowered = Test {
                    name: node.name,
                    expr: self.expression(&node.expr)?,
                    args: self.arguments(&node.args)?,
                };
                Expr::Test(Spanned::new(lowered, span))
            }
            Expr::GetAttr(node) => {
                call(".", vec![self.expression(&node.expr)?, constant(node.name, span)], span)
            }
            Expr::GetItem(node) => {
                call("[]", vec![self.expression(&node.expr)?, self.expression(&node.subscript_expr)?], span)
            }
            Expr::Call(node) => {
                let lowered = Call { expr: self.callee(&node.expr)?, args: self.arguments(&node.args)? };
                Expr::Call(Spanned::new(lowered, span))
            }
            Expr::List(node) => Expr::List(Spanned::new(List { items: self.all(&node.items)? }, span)),
            Expr::Tuple(node) => Expr::Tuple(Spanned::new(Tuple { items: self.all(&node.items)? }, span)),
            Expr::Map(node) => {
                let mut pairs = Vec::with_capacity(node.keys.len() * 2);
                for (key, value) in node.keys.iter().zip(&node.values) {
                    pairs.extend([self.expression(key)?, self.expression(value)?]);
                }
                call("{}", pairs, span)
            }
        })
    }

    pub(super) fn binary<'a>(&self, node: &Spanned<BinOp<'a>>) -> Result<Expr<'a>, Error> {
        let span = node.span();
        let (left, right) = (self.expression(&node.left)?, self.expression(&node.right)?);
        let function = match node.op {
            op @ (BinOpKind::ScAnd | BinOpKind::ScOr) => {
                return Ok(Expr::BinOp(Spanned::new(BinOp { op, left, right }, span)));
            }
            BinOpKind::Add => "+",
            BinOpKind::Sub => "-",
            BinOpKind::Mul => "*",
            BinOpKind::Div => "/",
            BinOpKind::FloorDiv => "//",
            BinOpKind::Rem => "%",
            BinOpKind::Pow => "**",
            BinOpKind::Concat => "~",
            BinOpKind::Eq => return Ok(compared(left, "==", right, span)),
            BinOpKind::Ne => return Ok(compared(left, "!=", right, span)),
            BinOpKind::Lt => return Ok(compared(left, "<", right, span)),
            BinOpKind::Lte => return Ok(compared(left, "<=", right, span)),
            BinOpKind::Gt => return Ok(compared(left, ">", right, span)),
            BinOpKind::Gte => return Ok(compared(left, ">=", right, span)),
            BinOpKind::In => return Ok(compared(left, "in", right, span)),
        };
        Ok(call(function, vec![left, right], span))
    }
}

fn compared<'a>(left: Expr<'a>, operator: &str, right: Expr<'a>, span: Span) -> Expr<'a> {
    call("compare", vec![left, constant(operator, span), right], span)
}

fn comparison(operator: CompareOpKind) -> &'static str {
    match operator {
        CompareOpKind::Eq => "==",
        CompareOpKind::Ne => "!=",
        CompareOpKind::Lt => "<",
        CompareOpKind::Lte => "<=",
        CompareOpKind::Gt => ">",
        CompareOpKind::Gte => ">=",
        CompareOpKind::In => "in",
        CompareOpKind::NotIn => "not in",
    }
}
